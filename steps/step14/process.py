"""A process that serves: how the supervisor starts it, and what it does itself."""

import contextlib
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterable
from typing import NoReturn, Protocol

from steps.app import Application
from steps.command import STOP_WAIT_S, Listener, do_nothing, finish
from steps.step13.server import Server
from steps.step14.messages import Reader, Ready, encode
from steps.step14.settings import Settings

# What they tell the supervisor: SIGTERM and SIGINT, to drain, and a second of them, to
# end at once; SIGHUP, to reload; SIGUSR1, to log the stats; SIGCHLD, that a process has
# died.
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}
# What it orders a process to do, a byte each: to give its stats; to say in its answers
# that they are the last; to drain, while another accepts from its listener; to drain,
# and end the listening. The end of the channel is an order to drain as well.
STATS, NOTICE, DRAIN, END = b"s", b"n", b"d", b"e"
# A process that is not ready by then is killed: an import may never end.
START_TIMEOUT_S = 60.0

log = logging.getLogger(__name__)


class Closable(Protocol):
    def close(self) -> None: ...


class Process:
    """A process, as its supervisor knows it."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.reader = Reader()  # of what comes there
        self.ready_at = math.inf  # that is, it has not been ready yet
        # If it still runs then, it is killed. While it serves there is no such time; a
        # new one is set when it is told to drain.
        self.kill_at = time.monotonic() + START_TIMEOUT_S

    def order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):  # it has died
            self.channel.send(order)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)  # its number is not reused before waitpid()


# [fork]
def start(
    listener: Listener,
    not_its_own: Iterable[Closable],
    app: Application,
    workers: int,
    settings: Settings,
) -> Process:
    """Fork a process that serves the clients of `listener`.

    not_its_own: what else is open here, and what the new process has to close. If it
    kept the supervisor's end of another process's channel, that process would not be
    told when the supervisor dies. If it kept another listener, the kernel would go on
    dealing clients to that one after everybody who accepts from it has gone.
    """
    ours, its = socket.socketpair()
    # The new process gets back the handlers from before, so a Ctrl-C, which goes to all
    # processes of a terminal, would end it. Signals are held back until they cannot.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                pass_over_signals()
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                for each in (ours, *not_its_own):
                    each.close()
                serve(listener, its, app, workers, settings)
            except BaseException:
                log.exception("step14: a process has failed")
            finally:
                finish(1)  # not return: what called this is the supervisor's code
    finally:
        its.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    ours.setblocking(False)
    return Process(pid, ours)


# [/fork]


def pass_over_signals() -> None:
    for number in SIGNALS - {signal.SIGCHLD}:
        signal.signal(number, do_nothing)


# [serve]
def serve(
    listener: Listener,
    channel: socket.socket,
    app: Application,
    workers: int,
    settings: Settings,
) -> NoReturn:
    """In the new process: be the server of step 13, as long as there is a supervisor.

    Signals do nothing here: a Ctrl-C goes to all processes of a terminal, but the
    supervisor alone says how each of them ends.
    """
    status = 0
    try:
        # This makes an epoll and imports the application. Had it been done before the
        # fork, all processes would share the epoll and be told of each other's clients,
        # and a reload would start the application as it was then, not as it is now.
        server = Server(listener, app, workers, settings)
    except ValueError as error:  # its cause is the application's own, if there is one
        log.error("step14: %s", error, exc_info=error.__cause__)
        finish(1)
    pass_over_signals()  # again: the application may have set handlers

    def run() -> None:
        nonlocal status
        try:
            server.run()
        except BaseException:
            log.exception("step14: a process has failed")
            status = 1
        finally:
            with contextlib.suppress(OSError):  # macOS, if the supervisor has died
                channel.shutdown(socket.SHUT_RD)  # so that obey() returns

    thread = threading.Thread(target=run, name="server", daemon=True)
    thread.start()
    obey(channel, server, listener)
    server.stop()
    thread.join(settings.grace + STOP_WAIT_S)
    finish(status)


def obey(channel: socket.socket, server: Server, listener: Listener) -> None:
    """Say that it is ready, and give the stats when asked for them, until there is any
    other order.

    If the supervisor dies, even by SIGKILL, the kernel closes its end of the channel.
    That is an order to drain as well, for nobody could stop this process any more.
    """
    order = b""
    with contextlib.suppress(OSError):
        channel.sendall(encode(Ready()))
        while (order := channel.recv(1)) in (STATS, NOTICE):
            if order == STATS:
                channel.sendall(encode(server.stats))
            else:
                server.say_close()
    listener.is_shared = order != END


# [/serve]
