"""One file with everything for a room without network: `make archive`.

    python -m tools.archive                     for any system, and `make` for this one
    python -m tools.archive --for macos-arm64-3.13 --for linux-x86_64-3.12

It holds a folder with the project as it is committed (a clone, so that git can put an
exercise back), the finished book in site/, and in wheels/ the packages to install from.
Those that the exercises need are the same for every system. Those that `make` needs
are not: they are for this machine's system and Python, and for each that is named.

Needs the network, to fetch the packages. Writes into dist/.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools import checkout

ROOT = Path(__file__).resolve().parent.parent
NAME = "web-server-connections"

FIRST = """\
How web servers handle connections: the book, its exercises, and what they need.
Nothing here asks for the network.

Read           open site/index.html in a browser
Do             make exercises              (Python 3.11 or newer, Linux or macOS)
Measure        make                        (where wheels/ has them for your system)

README.md says the rest; docs/exercises.md is the manual of the exercises, and
site/teachers.html the page for teachers.
"""

#: The tags under which packages for a system may come, as pip names them.
SYSTEMS = {
    "linux-x86_64": [
        *("manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_5_x86_64"),
        *(f"manylinux_2_{minor}_x86_64" for minor in range(17, 35)),
    ],
    "linux-aarch64": [
        "manylinux2014_aarch64",
        *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 35)),
    ],
    "macos-arm64": [
        f"macosx_{major}_0_{kind}"
        for major in range(11, 16)
        for kind in ("arm64", "universal2")
    ],
    "macos-x86_64": [
        f"macosx_{version}_{kind}"
        for version in (
            *(f"10_{minor}" for minor in range(9, 16)),
            *(f"{major}_0" for major in range(11, 16)),
        )
        for kind in ("x86_64", "universal2")
    ],
}
_TARGET = re.compile(r"(?P<system>.+)-(?P<python>3\.\d+)")


class ArchiveError(Exception):
    """It cannot be made; the message says why."""


def this_machine() -> str:
    system = {"Linux": "linux", "Darwin": "macos"}.get(platform.system(), "other")
    return f"{system}-{platform.machine()}-{sys.version_info[0]}.{sys.version_info[1]}"


def fetch_wheels(group: str, folder: Path, target: str = "") -> None:
    """The packages of requirements/GROUP.txt; for this machine, or for a target."""
    options = ["--only-binary", ":all:"]
    if target:
        match = _TARGET.fullmatch(target)
        if match is None or match["system"] not in SYSTEMS:
            raise ArchiveError(
                f"{target}: name a system and a Python, as in macos-arm64-3.13; "
                f"the systems are {', '.join(SYSTEMS)}"
            )
        options += ["--python-version", match["python"]]
        for tag in SYSTEMS[match["system"]]:
            options += ["--platform", tag]
    _run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
        *("--disable-pip-version-check", "--no-deps", "--require-hashes", *options),
        *("--requirement", f"requirements/{group}.txt", "--dest", str(folder)),
        problem=f"the packages in requirements/{group}.txt cannot be fetched"
        + (f" for {target}" if target else ""),
    )


def _run(*command: str, problem: str = "git fails", cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise ArchiveError(f"{problem}: {said[-1]}")
    return done.stdout.strip()


def make(dist: Path, targets: Sequence[str] = ()) -> Path:
    """The archive's path. Raises ArchiveError."""
    if why_not := checkout.why_not(ROOT):
        raise ArchiveError(f"an archive is made of a clone: {why_not}")
    dist.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / NAME
        no_clone = "git cannot copy the project"
        _run(
            *("git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(folder)),
            problem=no_clone,
        )
        # Where it was made is nobody's concern.
        _run("git", "remote", "remove", "origin", cwd=folder, problem=no_clone)
        shutil.rmtree(folder / ".git" / "logs")
        print("fetching packages …", flush=True)
        fetch_wheels("exercises", folder / "wheels")
        fetch_wheels("book", folder / "wheels")
        for target in targets:
            fetch_wheels("book", folder / "wheels", target)
        print("building the book …", flush=True)
        # In the copy, where nobody's own measurements are.
        _run(
            *(sys.executable, "-m", "book", "site", "--strict"),
            cwd=folder,
            problem="the book cannot be built",
        )
        (folder / "READ-ME-FIRST.txt").write_text(FIRST, encoding="utf-8")
        commit = _run("git", "rev-parse", "--short", "HEAD", problem=no_clone)
        base = dist / f"{NAME}-{commit}"
        return Path(shutil.make_archive(str(base), "gztar", name, NAME))


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.archive", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        *("--for", "-f"),
        dest="targets",
        action="append",
        default=[],
        metavar="SYSTEM-PYTHON",
        help="also for such machines, as in macos-arm64-3.13",
    )
    targets = parser.parse_args(argv).targets
    try:
        if not checkout.why_not(ROOT) and _run("git", "status", "--porcelain"):
            print("note: what is not committed is not in it (git status shows what)")
        path = make(ROOT / "dist", targets)
    except (ArchiveError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    size = path.stat().st_size / 1e6
    others = "".join(f", {target}" for target in targets)
    print(
        f"{path.relative_to(ROOT)}: {size:.0f} MB; `make` for {this_machine()}{others}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
