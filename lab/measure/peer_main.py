"""Start a peer that needs some lines of Python.

    python -m lab.measure.peer_main NAME MODULE:APPLICATION

It runs in the peers' environment. The server takes a free port of 127.0.0.1 and says
which in a URL. `Peer.settings` in `lab/measure/peers.py` says in words what stands
here.
"""

import importlib
import socket
import sys
from collections.abc import Callable
from typing import Any

HOST = "127.0.0.1"
#: Connections a server may hold: more than any measurement opens.
CONNECTIONS = 20_000
#: What the kernel may complete before the server accepts it; the kernel lowers it to
#: what it allows.
BACKLOG = 4096
THREADS = 4


def bjoern(target: str) -> None:
    import bjoern

    app = _load(target)
    listener = bjoern.bind_and_listen(HOST, 0, listen_backlog=BACKLOG)
    _say(listener.getsockname()[1])
    bjoern.server_run(listener, app)


def waitress(target: str) -> None:
    import waitress

    server = waitress.create_server(
        _load(target),
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


def cheroot(target: str) -> None:
    from cheroot.wsgi import Server

    server = Server(
        (HOST, 0),
        _load(target),
        numthreads=THREADS,
        request_queue_size=BACKLOG,
        server_name=HOST,
    )
    server.keep_alive_conn_limit = CONNECTIONS
    server.prepare()
    _say(server.bind_addr[1])
    server.serve()


def freastal(target: str) -> None:
    import freastal

    # It does not say where it listens, and does so only when it serves.
    app = _load(target)
    port = _free_port()
    _say(port)
    freastal.serve(app, host=HOST, port=port)


def fastpysgi(target: str) -> None:
    import fastpysgi

    fastpysgi.server.backlog = BACKLOG
    # Steps do not say which server they are either.
    fastpysgi.server.add_header_server = None
    app = _load(target)
    port = _free_port()
    _say(port)
    fastpysgi.run(app, host=HOST, port=port)


def granian(target: str, threads: int | None = None) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    # It says the port that it was given, so 0 would not do.
    port = _free_port()
    Granian(
        target,
        address=HOST,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        blocking_threads=threads,
    ).serve()


def _load(target: str) -> Any:
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _say(port: int) -> None:
    print(f"listening on http://{HOST}:{port}", flush=True)


STARTERS: dict[str, Callable[[str], None]] = {
    "bjoern": bjoern,
    "cheroot": cheroot,
    "fastpysgi": fastpysgi,
    "freastal": freastal,
    "granian": granian,
    "granian-one-thread": lambda target: granian(target, threads=1),
    "waitress": waitress,
}

if __name__ == "__main__":
    STARTERS[sys.argv[1]](sys.argv[2])
