"""The lab measures servers, and does nothing else: `python -m lab --help`.

Its rooms, from the ground up; each may use those before it, and none after it:

load      clients of every kind, which put a load on a server
record    what a run measured, as a file and as something to ask; the claims
measure   servers started, watched and compared: the runs that fill a record
trace     timelines of what a step's threads did
tough     attempts to break a server
doctor    what is wrong with anybody's server; it uses the load alone

The steps are measured and know nothing of it. Pages are made of all this in `book/`.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "the lab needs Python 3.11 or later, and this is Python %d.%d: "
        "try python3.11 -m ..." % sys.version_info[:2]
    )
