"""The command line that every step shares: `python -m steps.step03 --port 8000`."""

import argparse
import dataclasses
import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from steps.app import Application, app

# How many connections the kernel may complete before the server accepts them.
BACKLOG = 1024
# A handler that does not return cannot be ended: its thread dies with the process. This
# is longer than the pool waits for its workers, so that it can close what it has.
STOP_WAIT_S = 3.0
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}

log = logging.getLogger(__name__)


class Server(Protocol):
    """What each step offers. `stats` is a dataclass of numbers."""

    stats: Any

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = ...
    ) -> None: ...

    def run(self) -> None:
        """Serve until `stop()`; then close the listener and every connection."""

    def stop(self) -> None:
        """Return at once, from any thread or a signal handler."""


def main(name: str, server_class: type[Server]) -> NoReturn:
    """Serve `app` as the command line says, until SIGINT or SIGTERM; then exit 0.

    SIGUSR1 logs the server's stats in one line.
    """
    arguments = parse_arguments(name)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        listener = listen(arguments.host, arguments.port)
    except OSError as error:
        sys.exit(f"{name}: {explain(error, arguments.host, arguments.port)}")

    server = server_class(listener, app, arguments.workers)
    # Blocked in this thread and so in all that it starts, a signal waits for sigwait().
    # A handler would have to run in this thread, and the kernel may wake another.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    status = 0

    def run() -> None:
        nonlocal status
        try:
            server.run()
        except Exception:
            log.exception("%s failed", name)
            status = 1
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run, name="server", daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    print(f"{name} listening on http://{host}:{port}", flush=True)
    while signal.sigwait(SIGNALS) == signal.SIGUSR1:
        stats = dataclasses.asdict(server.stats)
        log.info("%s stats %s", name, " ".join(f"{k}={v}" for k, v in stats.items()))
    server.stop()
    thread.join(STOP_WAIT_S)
    sys.exit(status)


def parse_arguments(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m steps.{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=whole_number(0, 65_535), default=8000, help="0: any free one"
    )
    parser.add_argument(
        "--workers",
        type=whole_number(0, 1000),
        default=4,
        help="threads that serve requests, in the steps that have them "
        "(0: none, from step 10 on)",
    )
    return parser.parse_args()


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: an integer from `low` to `high`."""

    def convert(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {low} to {high}"
            )
        return int(text)

    return convert


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def explain(error: OSError, host: str, port: int) -> str:
    """One line that says what to do about a listener that could not be made."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is in use: stop the other program, or choose another port "
            "(--port 0 takes any free one)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs privileges: choose one above 1023"
    return f"cannot listen on {host} port {port}: {error.strerror or error}"
