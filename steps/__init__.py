"""The servers of the tutorial, one package a step: `python -m steps.step01`."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "steps need Python 3.11 or later, and this is Python %d.%d: "
        "try python3.11 -m ..." % sys.version_info[:2]
    )
