"""The servers of the tutorial, one package a step: `python -m steps.step01`."""

import os
import sys

if not hasattr(os, "fork"):
    sys.exit(
        "the steps need Linux or macOS. On Windows, WSL is a Linux: clone the project "
        "there, or open it in a development container."
    )
if sys.version_info < (3, 11):
    sys.exit(
        "steps need Python 3.11 or later, and this is Python %d.%d: "
        "try python3.11 -m ..." % sys.version_info[:2]
    )
