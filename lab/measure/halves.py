"""Step 06 with one half of step 07's cure: `python -m lab.measure.halves --half-a`.

Step 07 changes two things at once: head and body go out in one write, and Nagle's
algorithm is off. A server that has the one without the other is made of methods that
the steps have; it is measured, and is no step.
"""

from __future__ import annotations

import sys

from lab.record.names import NODELAY_FLAG, ONE_WRITE_FLAG
from steps.command import main
from steps.step01.connection import Connection
from steps.step03.connections import KeptConnection
from steps.step06.server import Server
from steps.step07.connection import OneWriteConnection
from steps.step07.server import KeptOneWriteConnection


class OneWriteAlone(KeptConnection):
    """Nagle's algorithm stays on."""

    send = OneWriteConnection.send


class NoDelayAlone(KeptOneWriteConnection):
    """Head and body still go out one after the other."""

    send = Connection.send


class OneWriteServer(Server):
    connection_class = OneWriteAlone


class NoDelayServer(Server):
    connection_class = NoDelayAlone


SERVERS = {ONE_WRITE_FLAG: OneWriteServer, NODELAY_FLAG: NoDelayServer}


if __name__ == "__main__":
    half = sys.argv.pop(1)
    main(f"step06 {half}", SERVERS[half])
