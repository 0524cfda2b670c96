"""The tests of Ctrl-C hold wherever the run was started."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# As `nohup` and `&` do it: what is started from here on ignores SIGINT.
IGNORING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
# One sends it to itself, one to a shell that it has started.
TESTS = (
    "tests/lab/test_measure.py::test_an_interrupted_run_keeps_what_was_finished",
    "tests/project/test_bootstrap.py::test_ctrl_c_during_an_install",
)


def test_a_run_that_was_started_with_sigint_ignored() -> None:
    options = ("-m", "pytest", "-p", "no:cacheprovider")
    result = subprocess.run(
        [sys.executable, "-c", IGNORING, *options, *TESTS],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert result.returncode == 0, result.stdout
