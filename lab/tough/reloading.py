"""Servers that are replaced while clients come and go."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lab.load.run import LoadSpec, run_load
from lab.paths import ROOT
from lab.tough.drain import alive
from lab.tough.subject import Result, Subject, Tell, connect, soon, tell_nobody

CONFIGURATION = ROOT / "steps" / "step14" / "haproxy.cfg"
SERVERS = 3
#: Several checks of the balancer: it has heard of the end of a server by then.
NOTICE_S = "1"
#: A server has been found again by then: it has answered clients, and not only checks.
IN_USE_REQUESTS = 100


def reload(count: int, seconds: float, tell: Tell = tell_nobody) -> Result:
    """SIGHUP under load, again and again, for so long: nobody is lost.

    Each of `count` clients comes anew for each request, so that some always wait in the
    queue of a process that goes.
    """
    result = Result()
    reloads = 0
    with (
        Subject("step14", "--processes", "2", "--workers", "0") as server,
        ThreadPoolExecutor(1) as pool,
    ):
        spec = LoadSpec("127.0.0.1", server.port, count, seconds, keep_alive=False)
        loading = pool.submit(run_load, spec)
        while not loading.done():
            old = {child.pid for child in alive(server.process)}
            server.process.send_signal(signal.SIGHUP)

            def is_replaced(old: frozenset[int] = frozenset(old)) -> bool:
                now = {child.pid for child in alive(server.process)}
                return len(now) == len(old) and not now & old

            result.expect(soon(is_replaced), "they were not replaced")
            reloads += 1
        seen = loading.result()
    result.facts |= {
        "reloads": reloads,
        "requests": seen.requests,
        "lost": sum(seen.errors.values()),
    }
    result.expect(not seen.errors, f"requests were lost: {seen.errors}")
    result.expect(seen.requests > reloads, "there was no load")
    return result


def restart(count: int, seconds: float, tell: Tell = tell_nobody) -> Result:
    """Three servers behind HAProxy, ended and started again in turn under load, for so
    long: none of the requests of `count` clients fails."""
    result = Result()
    restarts = 0
    with ExitStack() as stack:
        ports = free_ports(1 + SERVERS)
        servers = {port: stack.enter_context(_server(port)) for port in ports[1:]}
        stack.enter_context(haproxy(ports))
        spec = LoadSpec("127.0.0.1", ports[0], count, seconds)
        loading = stack.enter_context(ThreadPoolExecutor(1)).submit(run_load, spec)
        while not loading.done():
            port = ports[1 + restarts % SERVERS]
            servers[port].end_in_order(result)
            servers[port] = new = stack.enter_context(_server(port))

            def is_in_use(new: Subject = new) -> bool:
                return loading.done() or new.stats()["requests"] > IN_USE_REQUESTS

            result.expect(soon(is_in_use), "a server was not used again")
            restarts += 1
        seen = loading.result()
    result.facts |= {
        "restarts": restarts,
        "requests": seen.requests,
        "failed": sum(seen.errors.values()),
    }
    result.expect(not seen.errors, f"requests failed: {seen.errors}")
    result.expect(restarts >= SERVERS, "not every server was restarted")
    return result


def _server(port: int) -> Subject:
    flags = ("--processes", "1", "--workers", "0", "--notice", NOTICE_S)
    return Subject("step14", *flags, "--port", str(port))


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(count)
        ]
        return [sock.getsockname()[1] for sock in socks]


@contextmanager
def haproxy(ports: list[int]) -> Iterator[None]:
    """As the book configures it, but for the ports, of which the first is its own."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    for number, port in enumerate(ports):
        text = re.sub(rf"(?<=127\.0\.0\.1:){8000 + number}\b", str(port), text)

    def listens() -> bool:
        with suppress(OSError), connect(ports[0]):
            return True
        return False

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "haproxy.cfg"
        path.write_text(text)
        with subprocess.Popen(
            ["haproxy", "-db", "-f", str(path)],
            stderr=subprocess.DEVNULL,
            process_group=0,
        ) as process:
            try:
                if not soon(listens):
                    raise RuntimeError("HAProxy does not listen")
                yield
            finally:
                process.kill()
