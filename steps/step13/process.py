"""A process that serves, seen from both sides of the channel to its supervisor."""

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
from typing import NoReturn

from steps.app import Application
from steps.command import STOP_WAIT_S
from steps.step12.server import Server
from steps.step13.settings import Settings

# What the supervisor says, a byte each. That it says nothing more is an order too.
DRAIN, STATS = b"d", b"s"
# What a process says: that it serves, or else why it cannot. Then its stats, in JSON.
READY = b"ready"

log = logging.getLogger(__name__)


class Process:
    """What its supervisor knows of it."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.ready_at = math.inf  # on the clock; that is, it never was
        self.kill_at = math.inf  # on the clock, once it has been told to drain

    def order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):  # it has died
            self.channel.send(order)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)  # it is ours until waitpid() has seen it


# [serve]
def serve(
    listener: socket.socket,
    channel: socket.socket,
    app: Application,
    workers: int,
    settings: Settings,
) -> NoReturn:
    """In the new process: be the server of step 12, as long as the supervisor lives."""
    status = 1
    try:
        # Only now is there an epoll, and is an application imported: so both are this
        # process's own, and a reload is one.
        server = Server(listener, app, workers, settings)
        threading.Thread(
            target=obey, args=(channel, server, settings.grace), daemon=True
        ).start()
        channel.send(READY)
        server.run()
        status = 0
    except ValueError as error:
        channel.send(str(error).encode())
    except BaseException:
        log.exception("step13: a process failed")
    finally:
        os._exit(status)  # never back into what was the supervisor's code


def obey(channel: socket.socket, server: Server, grace_s: float) -> None:
    """In a thread. Where the supervisor dies, even by SIGKILL, its end is closed, and
    that is read as an order: nobody would replace, reload or stop this process."""
    with contextlib.suppress(OSError):
        while channel.recv(1) == STATS:
            channel.send(json.dumps(dataclasses.asdict(server.stats)).encode())
    server.stop()
    time.sleep(grace_s + STOP_WAIT_S)
    os._exit(0)  # a handler keeps the loop


# [/serve]
