"""What git knows of this folder, or why it knows nothing.

The project may have come as an archive, without its history; into the folder of another
user, which git does not read; or to a machine without git.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def why_not(folder: Path = ROOT) -> str:
    """Why git cannot be asked about the folder, in a sentence; "" if it can."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return "git is not installed here"
    if "dubious ownership" in done.stderr:
        return (
            f"{folder} is another user's, and git does not read it: "
            f"git config --global --add safe.directory '{folder}'"
        )
    # An archive may have been unpacked within somebody's own repository.
    if done.returncode or Path(done.stdout.strip()).resolve() != folder.resolve():
        return f"{folder} is no clone of the project, but a copy without its history"
    return ""
