"""A process that serves: how the supervisor starts it, and what it does itself."""

import contextlib
import dataclasses
import json
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
from steps.command import STOP_WAIT_S
from steps.step12.server import Server
from steps.step13.settings import Settings

# What they tell the supervisor: SIGTERM and SIGINT, to drain, and a second of them, to
# end at once; SIGHUP, to reload; SIGUSR1, to log the stats; SIGCHLD, that a process has
# died.
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}
# What it says to a process, a byte each. The end of the channel is an order, too.
DRAIN, NOTICE, STATS = b"d", b"n", b"s"
# What a process says first, or, if it cannot serve, why. Later: its stats, in JSON.
READY = b"ready"
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
        self.ready_at = math.inf  # that is, it has not been ready yet
        # If it still runs then, it is killed. While it serves there is no such time; a
        # new one is set when it is told to drain.
        self.kill_at = time.monotonic() + START_TIMEOUT_S

    def order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):  # it has died
            self.channel.send(order)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)  # its number is not reused before waitpid()


# [start]
def start(
    listener: socket.socket,
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
    # The new process inherits the socket into which Python writes signals' numbers. A
    # signal that came to it before set_wakeup_fd(-1) would be read by the supervisor.
    # A Ctrl-C, which goes to both, would so count as two, and a second one ends all at
    # once. So signals are held back until then.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                for each in (ours, *not_its_own):
                    each.close()
                serve(listener, its, app, workers, settings)
            finally:
                os._exit(1)  # not return: what called this is the supervisor's code
    finally:
        its.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    ours.setblocking(False)
    return Process(pid, ours)


# [/start]


# [serve]
def serve(
    listener: socket.socket,
    channel: socket.socket,
    app: Application,
    workers: int,
    settings: Settings,
) -> NoReturn:
    """In the new process: be the server of step 12, as long as there is a supervisor.

    Signals do nothing here, for the handlers are those of the supervisor, which are
    empty: a Ctrl-C goes to all processes of a terminal, but the supervisor alone says
    how each of them ends.
    """
    status = 1
    try:
        # This makes an epoll and imports the application. Had it been done before the
        # fork, all processes would share the epoll and be told of each other's clients,
        # and a reload would start the application as it was then, not as it is now.
        server = Server(listener, app, workers, settings)
        obeying = threading.Thread(
            target=obey, args=(channel, server, settings.grace), daemon=True
        )
        obeying.start()
        channel.send(READY)
        server.run()
        status = 0
    except ValueError as error:
        channel.send(str(error).encode())
    except BaseException:
        log.exception("step13: a process has failed")
    os._exit(status)


def obey(channel: socket.socket, server: Server, grace_s: float) -> None:
    """In a thread: give the stats when asked for them, and drain at any other order.

    If the supervisor dies, even by SIGKILL, the kernel closes its end of the channel.
    That is an order to drain as well, for nobody could stop this process any more.
    """
    with contextlib.suppress(OSError):
        while (order := channel.recv(1)) in (NOTICE, STATS):
            if order == NOTICE:
                server.say_close()
            else:
                channel.send(json.dumps(dataclasses.asdict(server.stats)).encode())
    server.stop()
    time.sleep(grace_s + STOP_WAIT_S)
    os._exit(0)  # run() has not returned: a handler holds up the loop


# [/serve]
