"""The programs that the project uses where they are installed, and does without else.

    python tools/optional.py WHERE      one line: what is missing, and how to get it
    python tools/optional.py --packages the Debian packages that are missing

WHERE is `measure` or `test`. Tests ask for a tool by its name here: see
`needs_tool` in tests/conftest.py.
"""

import shutil
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    purpose: str
    used_by: tuple[str, ...]
    commands: tuple[str, ...]  # any of these will do: names on PATH, or absolute paths
    apt: str
    brew: str | None  # None: there is no such program on macOS


TOOLS = {
    "chromium": Tool(
        purpose="reads the book as a browser does, and prints it",
        used_by=("test",),
        commands=(
            "chromium",
            "chromium-browser",
            "google-chrome",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
            "/Applications/Chromium.app/Contents/MacOS/Chromium",
        ),
        apt="chromium",
        brew="--cask google-chrome",
    ),
    "wrk": Tool(
        purpose="a faster load generator",
        used_by=("measure", "test"),
        commands=("wrk",),
        apt="wrk",
        brew="wrk",
    ),
    "strace": Tool(
        purpose="counts system calls",
        used_by=("measure", "test"),
        commands=("strace",),
        apt="strace",
        brew=None,
    ),
    "ab": Tool(
        purpose="an HTTP/1.0 client",
        used_by=("test",),
        commands=("ab",),
        apt="apache2-utils",
        brew="httpd",
    ),
    "slowhttptest": Tool(
        purpose="clients that are slow on purpose",
        used_by=("test",),
        commands=("slowhttptest",),
        apt="slowhttptest",
        brew="slowhttptest",
    ),
    "haproxy": Tool(
        purpose="a balancer in front of several servers",
        used_by=("test",),
        commands=("haproxy", "/usr/sbin/haproxy"),
        apt="haproxy",
        brew="haproxy",
    ),
    "curl": Tool(
        purpose="another client",
        used_by=("test",),
        commands=("curl",),
        apt="curl",
        brew="curl",
    ),
    "cc": Tool(
        purpose="compiles the question's server in C",
        used_by=("test",),
        commands=("cc", "gcc", "clang"),
        apt="gcc libc6-dev",
        brew="llvm",
    ),
}


def find(name: str) -> str | None:
    """The path of a tool's program, or None."""
    return next(filter(None, map(shutil.which, TOOLS[name].commands)), None)


def exists_here(name: str) -> bool:
    """Whether this operating system has such a tool at all."""
    return sys.platform == "linux" or TOOLS[name].brew is not None


def missing(used_by: str | None = None) -> list[str]:
    return [
        name
        for name, tool in TOOLS.items()
        if (used_by is None or used_by in tool.used_by)
        and exists_here(name)
        and find(name) is None
    ]


def how_to_get(names: list[str]) -> str:
    if sys.platform == "darwin":
        return "; ".join(f"brew install {TOOLS[name].brew}" for name in names)
    return "apt install " + " ".join(TOOLS[name].apt for name in names)


def main(argument: str) -> None:
    if argument == "--packages":
        print(*(TOOLS[name].apt for name in missing()))
    elif names := missing(argument):
        listed = ", ".join(f"{name} ({TOOLS[name].purpose})" for name in names)
        print(f"Not here, and not needed: {listed}. To get it: {how_to_get(names)}")


if __name__ == "__main__":
    main(sys.argv[1])
