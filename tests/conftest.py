"""What the whole suite shares."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if not hasattr(os, "fork"):
    sys.exit(
        "the tests need Linux or macOS. On Windows, WSL is a Linux: clone the project "
        "there, or open it in a development container."
    )
if sys.version_info < (3, 11):
    sys.exit(
        "the tests need Python 3.11 or later, and this pytest is of Python %d.%d: "
        "type `make test`, or for an exercise `make exercises`" % sys.version_info[:2]
    )

import pytest

from tools import checkout, optional
from workshop.slips import misnamed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# pytest is here, too, where a path that was named is not.
if said := misnamed(sys.argv[1:], Path.cwd()):
    raise SystemExit(said)
if importlib.util.find_spec("hypothesis") is None:
    # Somebody has typed `pytest` alone.
    raise SystemExit(
        "These are the project's own tests, which need more than pytest: make test\n"
        "For an exercise name its folder: pytest chapters/01-close-after-response"
    )

# How long what a test has ended may take to be gone.
GONE_AFTER_S = 5.0


# `nohup` and `&` in a script, and so many a CI, start the tests with SIGINT ignored.
# What the tests start would inherit that. Python and a shell leave it so, and a Ctrl-C
# that is sent to them does nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def needs_tool() -> Callable[[str], str]:
    """The path of an optional program: `wrk = needs_tool("wrk")`.

    Where it is missing the test is skipped. In CI it fails: there everything is
    installed, and a skip would hide that it is not.
    """

    def path_of(name: str) -> str:
        path = optional.find(name)
        if path is not None:
            return path
        if os.environ.get("CI") and optional.exists_here(name):
            pytest.fail(f"{name} is missing: {optional.how_to_get([name])}")
        pytest.skip(f"{name} is not here: {optional.how_to_get([name])}")

    return path_of


@pytest.fixture(scope="session")
def needs_clone() -> None:
    """Skips a test where git cannot be asked about the project. In CI it can."""
    if why_not := checkout.why_not():
        if os.environ.get("CI"):
            pytest.fail(why_not)
        pytest.skip(why_not)


@pytest.fixture(scope="session")
def browser(needs_tool: Callable[[str], str]) -> Iterator[Browser]:
    """One for all tests that need it."""
    path = needs_tool("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("playwright has no ready-made build for this Python")
    switches = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        # It asks its maker's servers for this and that; the tests have no use for it.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    if os.geteuid() == 0:
        switches.append("--no-sandbox")  # it refuses to start as root with one
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=switches)
        yield browser
        browser.close()


def open_descriptors() -> dict[int, str]:
    """What is open in this process: a descriptor, and which file or socket it is."""
    found = {}
    for name in os.listdir("/dev/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue  # it was the one that listed them
        found[int(name)] = (
            f"{status.st_mode:o} {status.st_dev}:{status.st_ino} {link_of(name)}"
        )
    return found


def link_of(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""  # not Linux


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """Every test ends its threads and closes its descriptors."""
    threads = set(threading.enumerate())
    descriptors = set(open_descriptors().items())
    yield
    deadline = time.monotonic() + GONE_AFTER_S
    while True:
        new_threads = set(threading.enumerate()) - threads
        new_descriptors = set(open_descriptors().items()) - descriptors
        if not new_threads and not new_descriptors:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    frames = sys._current_frames()
    pytest.fail(
        f"left open: {sorted(new_descriptors)}; left running:"
        + "".join(
            f"\n{thread.name}\n{''.join(traceback.format_stack(frames.get(thread.ident)))}"
            for thread in new_threads
            if thread.ident is not None
        )
    )
