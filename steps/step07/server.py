"""One write: step 06, with head and body sent together.

What it does: everything is as in step 06 but `send()`, and Nagle's algorithm is off.

What it costs: `select()` looks at every kept connection on every call, active or
silent, and cannot look at descriptor 1024 or above at all.

See it break:
    python -m steps.step07
    python -m lab load http://127.0.0.1:8000 --connections 10
    python -m lab silent http://127.0.0.1:8000 --connections 900 --seconds 20 &
    python -m lab load http://127.0.0.1:8000 --connections 10    # less than before
"""

from steps.step03.connections import KeptConnection
from steps.step06.server import Server as TwoWritesServer
from steps.step07.connection import OneWriteConnection


class KeptOneWriteConnection(OneWriteConnection, KeptConnection):
    """Kept as in step 06; what it sends, it sends in one write."""


class Server(TwoWritesServer):
    connection_class = KeptOneWriteConnection
