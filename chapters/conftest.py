"""The exercises are checked by the plugin in workshop/."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "the exercises need Python 3.11 or later, and this pytest is of Python %d.%d: "
        "type `make exercises`, then `source .venv/bin/activate`" % sys.version_info[:2]
    )

pytest_plugins = ["workshop.plugin"]
