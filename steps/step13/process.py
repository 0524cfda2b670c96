"""A process that serves, seen from both ends of the channel to its supervisor."""

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

# To the supervisor: drain, and then end at once; reload; stats; a process has died.
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}
# What it says to a process, a byte each. That it can say nothing more is an order too.
DRAIN, STATS = b"d", b"s"
# What a process says: that it serves, or why it cannot. Then its stats, in JSON.
READY = b"ready"
# An import that takes longer is taken for one that never ends.
START_TIMEOUT_S = 60.0

log = logging.getLogger(__name__)


class Closable(Protocol):
    def close(self) -> None: ...


class Process:
    """What its supervisor knows of it."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.ready_at = math.inf  # that is, it never was
        # Put off when it is ready, and set anew when it is told to drain.
        self.kill_at = time.monotonic() + START_TIMEOUT_S

    def order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):  # it has died
            self.channel.send(order)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)  # the number is its own until waitpid()


# [start]
def start(
    listener: socket.socket,
    not_its_own: Iterable[Closable],
    app: Application,
    workers: int,
    settings: Settings,
) -> Process:
    """not_its_own: what is open here, but not for the new process. With a supervisor's
    end of a channel it would hide the supervisor's death from another process; another
    listener would go on listening, when nobody accepts from it any more."""
    ours, its = socket.socketpair()
    # Until it has let go of where they are written, our signals' numbers are its, too.
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
                os._exit(1)  # and never back into what is the supervisor's code
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

    Signals do nothing here, as in the supervisor: a Ctrl-C goes to all processes of a
    terminal, but the supervisor says how each of them ends.
    """
    status = 1
    try:
        # Only now is there an epoll, and is an application imported. So the one is not
        # shared, and the other is what is in its files now.
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
    """In a thread. If the supervisor dies, even by SIGKILL, the kernel closes its end,
    and that is read as an order: nobody would replace, reload or stop this process."""
    with contextlib.suppress(OSError):
        while channel.recv(1) == STATS:
            channel.send(json.dumps(dataclasses.asdict(server.stats)).encode())
    server.stop()
    time.sleep(grace_s + STOP_WAIT_S)
    os._exit(0)  # a handler does not let go of the loop


# [/serve]
