"""Programs that are used where they are installed: found, or said to be missing."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import optional


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder as PATH, no applications, on Linux."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: "/" not in name and which(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def install(folder: Path, name: str) -> Path:
    program = folder / name
    program.touch(0o755)
    return program


def test_any_of_a_tools_names_will_do(nothing_installed: Path) -> None:
    assert optional.find("chromium") is None
    program = install(nothing_installed, "google-chrome")
    assert optional.find("chromium") == str(program)


def test_one_line_says_what_is_missing_and_how_to_get_it(
    nothing_installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(nothing_installed, "wrk")
    optional.main("measure")
    said = capsys.readouterr().out
    assert said.splitlines() == [
        "Not here, and not needed: strace (counts system calls). "
        "To get it: apt install strace"
    ]


def test_nothing_is_said_where_nothing_is_missing(
    nothing_installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("wrk", "strace"):
        install(nothing_installed, name)
    optional.main("measure")
    assert capsys.readouterr().out == ""


def test_the_packages_that_ci_installs(
    nothing_installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(nothing_installed, "curl")
    optional.main("--packages")
    assert capsys.readouterr().out.split() == [
        "chromium",
        "wrk",
        "strace",
        "apache2-utils",
        "slowhttptest",
        "haproxy",
        "gcc",
        "libc6-dev",
    ]


def test_macos_is_not_asked_for_what_it_has_not(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert optional.missing("measure") == ["wrk"]
    assert optional.how_to_get(["wrk"]) == "brew install wrk"


def test_a_missing_tool_skips_a_test_but_fails_in_ci(
    nothing_installed: Path,
    monkeypatch: pytest.MonkeyPatch,
    needs_tool: Callable[[str], str],
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt install wrk"):
        needs_tool("wrk")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt install wrk"):
        needs_tool("wrk")
    program = install(nothing_installed, "wrk")
    assert needs_tool("wrk") == str(program)


def test_ci_skips_what_cannot_be_had_there(
    nothing_installed: Path,
    monkeypatch: pytest.MonkeyPatch,
    needs_tool: Callable[[str], str],
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(pytest.skip.Exception):
        needs_tool("strace")
