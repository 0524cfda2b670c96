"""The command line that every step shares: `python -m steps.step03 --port 8000`."""

import argparse
import atexit
import contextlib
import dataclasses
import errno
import logging
import os
import signal
import socket
import sys
import threading
import typing
from collections.abc import Callable
from typing import Any, NoReturn, Protocol, TypeVar

from steps.app import Application, app

# How many connected clients may wait in the kernel until the server accepts them.
BACKLOG = 1024
# How long the server may take to end after `stop()`. A thread cannot be ended from
# outside: if a handler does not return, the process ends after this time, and with it
# the thread. A pool of workers waits for a shorter time (`step02/workers.py`), so that
# the server can still close its sockets.
STOP_WAIT_S = 3.0
# How long the exit functions of an application may take after that.
EXIT_WAIT_S = 3.0
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
# In place of a signal's number: no signal has this one.
NO_SIGNAL = b"\0"
ENDING = {signal.SIGINT, signal.SIGTERM, 0}

log = logging.getLogger(__name__)

AnyServer = TypeVar("AnyServer")


class Server(Protocol):
    """What each step offers. `stats` is a dataclass of numbers."""

    stats: Any

    # From step 11 on: (listener, app, workers, settings).
    def __init__(
        self, listener: socket.socket, app: Application, workers: int = ...
    ) -> None: ...

    def run(self) -> None:
        """Serve until `stop()`; then close the listener and every connection."""

    def stop(self) -> None:
        """Return at once, from any thread or a signal handler."""


def main(
    name: str,
    server_class: type[Server],
    settings_class: type[Any] | None = None,
    least_workers: int = 1,
) -> NoReturn:
    """Serve `app` as the command line says, until SIGINT (Ctrl-C) or SIGTERM (`kill`);
    then exit with status 0, or with 1 if the server failed.

    A second signal ends it at once. SIGUSR1 logs the server's stats in one line.
    settings_class: a dataclass; each of its fields becomes a flag of the command line.
    least_workers: the smallest number that `--workers` accepts.
    """
    server, url, wait_s = make_server(name, server_class, settings_class, least_workers)
    signals, signal_writer = hear(SIGNALS)
    status = 0

    def run() -> None:
        nonlocal status
        try:
            server.run()
        except BaseException:
            log.exception("%s failed", name)
            status = 1
        finally:
            signal_writer.send(NO_SIGNAL)

    def wait_for_signal() -> int:
        while (number := signals.recv(1)[0]) not in ENDING:
            if number == signal.SIGUSR1:
                pairs = dataclasses.asdict(server.stats).items()
                log.info("%s stats %s", name, " ".join(f"{k}={v}" for k, v in pairs))
        return number

    thread = threading.Thread(target=run, name="server", daemon=True)
    thread.start()
    announce(name, url)
    if wait_for_signal():  # else run() has raised, and there is nothing to stop
        server.stop()
        watchdog = threading.Timer(wait_s, signal_writer.send, [NO_SIGNAL])
        watchdog.daemon = True
        watchdog.start()
        # This second wait ends when the server's thread has left `run()`. If that takes
        # too long, the watchdog ends it. So does another Ctrl-C.
        wait_for_signal()
    finish(status)


# [finish]
def finish(status: int) -> NoReturn:
    """End the process: run what the application has registered with `atexit`, write out
    what it has printed, and go, after `EXIT_WAIT_S` at the latest.

    sys.exit() would wait for every thread that is not a daemon first, and an
    application may have started one that does not end.
    """
    try:
        watchdog = threading.Timer(EXIT_WAIT_S, os._exit, [status])
        watchdog.daemon = True
        watchdog.start()
        atexit._run_exitfuncs()
        for stream in sys.stdout, sys.stderr:
            # The disk may be full, the reader gone, or the stream closed. Nobody is
            # left who could be told.
            with contextlib.suppress(Exception):
                stream.flush()
    finally:
        os._exit(status)


# [/finish]


def make_server(
    name: str,
    server_class: Callable[..., AnyServer],
    settings_class: type[Any] | None,
    least_workers: int,
) -> tuple[AnyServer, str, float]:
    """Return a server as the command line says, which does not run yet; the URL that it
    listens on; and for how many seconds it may go on after `stop()`."""
    open_standard_streams()
    parser = make_parser(name, least_workers)
    if settings_class is not None:
        add_flags(parser, settings_class)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        listener = listen(arguments.host, arguments.port)
    except OSError as error:
        sys.exit(f"{name}: {explain(error, arguments.host, arguments.port)}")
    url = url_of(listener)

    wait_s = STOP_WAIT_S
    options: list[Any] = [arguments.workers]
    if settings_class is not None:
        settings = read_flags(arguments, settings_class)
        options.append(settings)
        wait_s += getattr(settings, "grace", 0)
    try:
        return server_class(listener, app, *options), url, wait_s
    except (
        ValueError
    ) as error:  # its cause is an error of an application, if it has one
        log.error("%s: %s", name, error, exc_info=error.__cause__)
        finish(1)


def open_standard_streams() -> None:
    """Open those that are closed (`>&-`). The lowest number that is free is given to
    what is opened next. Without this it would be a socket, and whatever a library
    prints to descriptor 1 would be sent there."""
    for name in "stdin", "stdout", "stderr":
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115


def announce(name: str, url: str) -> None:
    """Print the line that says where the server listens."""
    try:
        print(f"{name} listening on {url}", flush=True)
    except OSError as error:  # such as a full disk, if it goes to a file
        log.error("%s: standard output: %s", name, error.strerror)
        finish(1)


def hear(numbers: set[signal.Signals]) -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets. From now on each of these signals writes its
    number, one byte, into the second, and it can be read from the first.

    A handler alone would not be enough. Python runs it in the main thread, but the
    kernel may give the signal to any thread, and then the main thread sleeps on. And to
    block the signals, and fetch them with sigwait(), would be too much: a program that
    a thread starts inherits what is blocked there, and only SIGKILL would end it.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, do_nothing) for number in numbers}
    masks = threading.local()

    # A program does not inherit a handler, but a child that is a fork of this process
    # does, and the socket as well: what is sent to the child, we would hear. So the
    # child gets back what was there before us. Until then its signals are held back, or
    # one that comes so early would be lost.
    def hold() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def give_back() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is do_nothing:  # else it is the child's own
                signal.set_wakeup_fd(-1)
                signal.signal(number, handler or signal.SIG_DFL)
        release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=give_back)
    return reader, writer


def do_nothing(number: int, frame: object) -> None:
    """A handler. SIG_IGN would not do: a program that we start would inherit that."""


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_parser(name: str, least_workers: int = 1) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m steps.{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=whole_number(0, 65_535), default=8000, help="0: any free one"
    )
    parser.add_argument(
        "--workers",
        type=whole_number(least_workers, 1000),
        default=4,
        help="threads that serve requests, in the steps that have them"
        + ("" if least_workers else "; 0: serve them in the loop"),
    )
    return parser


# --- Settings: a dataclass whose fields are flags -----------------------------------


def add_flags(parser: argparse.ArgumentParser, settings_class: type[Any]) -> None:
    """A flag for each field: `idle_timeout: Annotated[float, "help"] = 60.0`."""
    hints = typing.get_type_hints(settings_class, include_extras=True)
    for field in dataclasses.fields(settings_class):
        kind, help_text = typing.get_args(hints[field.name])
        flag = "--" + field.name.replace("_", "-")
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=help_text)
            continue
        types: dict[type, Callable[[str], Any]] = {
            int: whole_number(1, sys.maxsize),
            float: positive_number,
            str: str,
        }
        parser.add_argument(
            flag,
            type=types[kind],
            default=field.default,
            metavar=field.name.rpartition("_")[2].upper(),
            help=help_text + ("" if field.default == "" else " (default: %(default)s)"),
        )


def read_flags(arguments: argparse.Namespace, settings_class: type[Any]) -> Any:
    fields = dataclasses.fields(settings_class)
    return settings_class(**{f.name: getattr(arguments, f.name) for f in fields})


def positive_number(text: str) -> float:
    """An argparse type: a number of seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: an integer from `low` to `high`."""

    def convert(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {low} to {high}"
            )
        return int(text)

    return convert


class Listener(socket.socket):
    """A listening socket whose `close()` also ends the listening.

    A child that an application has forked has a copy of the descriptor. While it lives,
    the kernel would go on completing connections that nobody accepts, and nobody else
    could have the port. (On macOS a listener cannot be shut down, and it is so.)
    """

    is_shared = False  # others accept from it as well: closing it does not concern them

    def close(self) -> None:
        if not self.is_shared:
            with contextlib.suppress(OSError):  # macOS, or it is closed already
                self.shutdown(socket.SHUT_RDWR)
        super().close()


def listen(host: str, port: int, reuse_port: bool = False) -> Listener:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server(
        (host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port
    )
    return Listener(fileno=sock.detach())


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
