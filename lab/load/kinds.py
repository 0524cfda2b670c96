"""The words for kinds of load that clients, records and figures share."""

from __future__ import annotations

from typing import Literal

#: plain: Host alone. browser: thirteen fields like a browser's.
Headers = Literal["plain", "browser"]
#: What those do that only hold a connection: say nothing; ask once, read the answer and
#: say nothing more; send half a request and no more; or ask for `UNREAD_BYTES` and read
#: none of them.
Manner = Literal["silent", "kept", "half", "unread"]
UNREAD_BYTES = 100_000_000
