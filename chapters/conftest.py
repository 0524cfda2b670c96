"""The exercises are checked by the plugin in workshop/."""

import os
import sys

if not hasattr(os, "fork"):
    sys.exit(
        "the exercises need Linux or macOS. On Windows, WSL is a Linux: clone the "
        "project there, or open it in a development container."
    )
if sys.version_info < (3, 11):
    sys.exit(
        "the exercises need Python 3.11 or later, and this pytest is of Python %d.%d: "
        "type `make exercises`, then `source .venv/bin/activate`" % sys.version_info[:2]
    )

pytest_plugins = ["workshop.plugin"]
