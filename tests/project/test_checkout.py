"""Whether git can be asked about the project, and what a record says where not."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.measure import machine
from tools import checkout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed here")
    folder = tmp_path / "a clone"
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (
        ("init", "--quiet", str(folder)),
        ("-C", str(folder), *identity, "commit", "--quiet", "--allow-empty", "-m", "1"),
    ):
        subprocess.run(["git", *command], check=True, timeout=20)
    return folder


def test_a_clone_is_one(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkout.why_not(clone) == ""
    monkeypatch.setattr(machine, "ROOT", clone)
    head, changed = machine.commit()
    assert head is not None
    assert len(head) == 40
    assert not changed


def test_an_archive_within_somebodys_repository_is_not_of_its_commit(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = clone / "unpacked"
    inside.mkdir()
    assert "no clone of the project" in checkout.why_not(inside)
    monkeypatch.setattr(machine, "ROOT", inside)
    assert machine.commit() == (None, True)


def test_the_folder_of_another_user(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # git has this for its own tests.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    said = checkout.why_not(clone)
    assert f"git config --global --add safe.directory '{clone}'" in said
    monkeypatch.setattr(machine, "ROOT", clone)
    assert machine.commit() == (None, True)


def test_no_git_and_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout.why_not(tmp_path) == "git is not installed here"
    assert machine.commit() == (None, True)
