"""Start a peer that needs some lines of Python: `python -m lab.measure.peer_main NAME`.

It runs in the peers' environment. The server takes a free port of 127.0.0.1 and says
which in a URL. `Peer.settings` in `lab/measure/peers.py` says in words what stands
here.
"""

import socket
import sys
from collections.abc import Callable

from lab.measure.peer_wsgi import app

HOST = "127.0.0.1"
#: Connections a server may hold: more than any measurement opens.
CONNECTIONS = 20_000
#: What the kernel may complete before the server accepts it; the kernel lowers it to
#: what it allows.
BACKLOG = 4096
THREADS = 4


def bjoern() -> None:
    import bjoern

    listener = bjoern.bind_and_listen(HOST, 0, listen_backlog=BACKLOG)
    _say(listener.getsockname()[1])
    bjoern.server_run(listener, app)


def waitress() -> None:
    import waitress

    server = waitress.create_server(
        app,
        host=HOST,
        port=0,
        threads=THREADS,
        backlog=BACKLOG,
        connection_limit=CONNECTIONS,
        # select() cannot watch a descriptor of 1024 or more.
        asyncore_use_poll=True,
    )
    _say(server.effective_port)
    server.run()


def cheroot() -> None:
    from cheroot.wsgi import Server

    server = Server(
        (HOST, 0), app, numthreads=THREADS, request_queue_size=BACKLOG, server_name=HOST
    )
    server.keep_alive_conn_limit = CONNECTIONS
    server.prepare()
    _say(server.bind_addr[1])
    server.serve()


def freastal() -> None:
    import freastal

    # It does not say where it listens, and does so only when it serves.
    port = _free_port()
    _say(port)
    freastal.serve(app, host=HOST, port=port)


def fastpysgi() -> None:
    import fastpysgi

    fastpysgi.server.backlog = BACKLOG
    # Steps do not say which server they are either.
    fastpysgi.server.add_header_server = None
    port = _free_port()
    _say(port)
    fastpysgi.run(app, host=HOST, port=port)


def granian(threads: int | None = None) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    # It says the port that it was given, so 0 would not do.
    port = _free_port()
    Granian(
        "lab.measure.peer_wsgi:app",
        address=HOST,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        blocking_threads=threads,
    ).serve()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _say(port: int) -> None:
    print(f"listening on http://{HOST}:{port}", flush=True)


STARTERS: dict[str, Callable[[], None]] = {
    "bjoern": bjoern,
    "cheroot": cheroot,
    "fastpysgi": fastpysgi,
    "freastal": freastal,
    "granian": granian,
    "granian-one-thread": lambda: granian(threads=1),
    "waitress": waitress,
}

if __name__ == "__main__":
    STARTERS[sys.argv[1]]()
