"""The command line that every step shares: `python -m steps.step03 --port 8000`."""

import argparse
import dataclasses
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Protocol

from steps.app import Application, app

# How many connections the kernel may complete before the server accepts them.
BACKLOG = 1024
# Longer than the pool waits for its workers: it is to end first, and close what it has.
STOP_WAIT_S = 3.0


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

    def stop(signal_number: int, frame: FrameType | None) -> None:
        server.stop()
        # Steps 01 and 08 call the handler in this thread, and it may never return.
        signal.setitimer(signal.ITIMER_REAL, STOP_WAIT_S)

    def give_up(signal_number: int, frame: FrameType | None) -> None:
        sys.exit(0)

    def log_stats(signal_number: int, frame: FrameType | None) -> None:
        stats = dataclasses.asdict(server.stats).items()
        line = f"{name} stats {' '.join(f'{key}={value}' for key, value in stats)}\n"
        # Not through `log`: what the signal interrupts may be a write to that file,
        # and Python refuses a second one inside it.
        os.write(sys.stderr.fileno(), line.encode())

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, give_up)
    signal.signal(signal.SIGUSR1, log_stats)
    port = listener.getsockname()[1]
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    print(f"{name} listening on http://{host}:{port}", flush=True)
    server.run()
    signal.setitimer(signal.ITIMER_REAL, 0)  # it would kill a Python that is ending
    sys.exit(0)


def parse_arguments(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m steps.{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=whole_number(0, 65_535), default=8000, help="0: any free one"
    )
    parser.add_argument(
        "--workers",
        type=whole_number(1, 1000),
        default=4,
        help="threads that serve requests, in the steps that have them",
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
