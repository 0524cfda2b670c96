"""Every Python that can run the steps reads requests in the same way.

Some before 3.11.5 did not: their regular expressions took `%` for a host, and found no
head to be an ordinary one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.http11.meanings import meanings

ROOT = Path(__file__).parents[2]
NAMES = ("python3", *(f"python3.{minor}" for minor in range(11, 20)))
PLACES = [*os.get_exec_path(), "/usr/bin"]
VERSION = "import sys; print(*sys.version_info[:3], sep='.')"


def run(python: str, *arguments: str) -> str | None:
    """What it prints; None: it does not run."""
    command = [python, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def other_pythons() -> dict[str, str]:
    """Paths of those that can run the steps, by version."""
    found: dict[str, str] = {}
    for place in PLACES:
        for name in NAMES:
            if path := shutil.which(name, path=place):
                version = (run(path, "-c", VERSION) or "0").strip()
                if tuple(map(int, version.split("."))) >= (3, 11):
                    found.setdefault(version, path)
    found.pop(".".join(map(str, sys.version_info[:3])), None)
    return found


def test_other_pythons_read_the_same() -> None:
    others = other_pythons()
    if not others:
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail("there is no other Python to ask: install python3")
        pytest.skip("there is no other Python here that can run the steps")
    ours = list(meanings())
    for version, path in others.items():
        output = run(path, "-m", "tests.http11.meanings")
        assert output is not None, f"Python {version} fails"
        theirs = output.splitlines()
        differ = [both for both in zip(ours, theirs, strict=True) if both[0] != both[1]]
        assert not differ, f"Python {version} reads {len(differ)} in another way"
