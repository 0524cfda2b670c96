"""Two Pythons that run the same steps: one with the global interpreter lock (GIL).

`python -m lab measure --python WITH WITHOUT` measures them in turn, in one run. Neither
is pinned to a core: what the lock is worth shows where threads could run side by side.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from lab.record.model import Interpreter

#: Asked of each. A build without the GIL takes it back when an extension needs it, or
#: with PYTHON_GIL=1: so what counts is whether it is enabled when steps run.
_QUESTION = """
import json, platform, sys, sysconfig
sys.path.insert(0, "")
print(json.dumps({
    "new": sys.version_info >= (3, 11),
    "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
    "version": platform.python_version(),
    "implementation": platform.python_implementation(),
    "compiler": platform.python_compiler(),
    "options": sysconfig.get_config_var("CONFIG_ARGS") or "",
}))
"""
ANSWER_LIMIT_S = 20.0

#: Whether it has the GIL -> how to start it.
Pythons = Mapping[bool, str]


class PythonsError(Exception):
    """Not one with the GIL and one without; the message is one line."""


def ask(python: str) -> Interpreter:
    """What that interpreter says of itself. Raises PythonsError."""
    try:
        done = subprocess.run(
            [python, "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_LIMIT_S,
            check=True,
        )
        said = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise PythonsError(f"{python} does not start as a Python") from None
    if not said.pop("new"):
        raise PythonsError(
            f"{python} is Python {said['version']}: steps need 3.11 or newer"
        )
    said["options"] = without_paths(said["options"])
    return Interpreter(**said)


def without_paths(options: str) -> str:
    """A build's options that say what it is, not where it was made."""
    return " ".join(each for each in shlex.split(options) if "/" not in each)


def choose(paths: Sequence[str]) -> tuple[Pythons, list[Interpreter]]:
    """Which of two has the GIL, and what they are, the one that has it first.

    Raises PythonsError.
    """
    asked = sorted(
        ((ask(path), path) for path in paths), key=lambda one: not one[0].gil
    )
    pythons = {about.gil: path for about, path in asked}
    if len(asked) != 2 or len(pythons) != 2:
        have = "; ".join(
            f"{path} runs {'with' if about.gil else 'without'} the GIL"
            for about, path in asked
        )
        raise PythonsError(f"one with the GIL and one without are compared: {have}")
    return pythons, [about for about, _ in asked]


def differences(pythons: Sequence[Interpreter]) -> list[str]:
    """In what the two differ beside the GIL, each in a few words."""
    first, second = pythons
    found = []
    if first.version != second.version:
        found.append(f"version {first.version} and {second.version}")
    if first.compiler != second.compiler:
        found.append(f"compiler {first.compiler} and {second.compiler}")
    options = [set(each.options.split()) - {"--disable-gil"} for each in pythons]
    if options[0] != options[1]:
        only = [
            " ".join(sorted(own - other)) or "none"
            for own, other in (options, options[::-1])
        ]
        found.append(f"build options {only[0]} and {only[1]}")
    return found
