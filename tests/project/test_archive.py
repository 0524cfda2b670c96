"""The archive for a room without network: made, unpacked and used without one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tools import archive

ROOT = Path(__file__).parents[2]
#: Nothing answers there; and no setting of this machine's names another place.
NO_NETWORK = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_RETRIES": "0",
}


@pytest.fixture(scope="module")
def unpacked(needs_clone: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the archive holds, unpacked in one with a space in its name."""
    dist = tmp_path_factory.mktemp("dist")
    try:
        path = archive.make(dist)
    except archive.ArchiveError as error:
        if "cannot be fetched" in str(error) and not os.environ.get("CI"):
            pytest.skip(f"there is no network to fetch packages from: {error}")
        raise
    return unpack(path, tmp_path_factory.mktemp("a room"))


def unpack(path: Path, room: Path) -> Path:
    assert path.name.endswith(".tar.gz")
    with tarfile.open(path) as tar:
        tar.extractall(room, filter="data")
    return room / archive.NAME


def without_network(
    folder: Path, *command: str, **more: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, **NO_NETWORK, **more},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def assert_it_is_a_clean_clone(unpacked: Path) -> None:
    status = without_network(unpacked, "git", "status", "--porcelain")
    assert (status.returncode, status.stdout) == (0, "")
    # Nothing says on which machine it was made.
    told = [
        path
        for path in (unpacked / ".git").rglob("*")
        if path.is_file() and str(ROOT).encode() in path.read_bytes()
    ]
    assert told == []


@pytest.mark.usefixtures("needs_clone")
def test_a_clean_clone_is_packed_with_what_is_made_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages and the book's pages are stand-ins, which cost nothing to make."""
    fetched: list[tuple[str, str]] = []
    run = archive._run

    def fetch_wheels(group: str, folder: Path, target: str = "") -> None:
        folder.mkdir(exist_ok=True)
        (folder / f"{group}{target}.whl").touch()
        fetched.append((group, target))

    def without_the_book(*command: str, problem: str, cwd: Path = ROOT) -> str:
        if command[1:] != ("-m", "book", "site", "--strict"):
            return run(*command, problem=problem, cwd=cwd)
        assert (cwd / "mkdocs.yml").is_file()
        (cwd / "site").mkdir()
        (cwd / "site" / "index.html").touch()
        return ""

    monkeypatch.setattr(archive, "fetch_wheels", fetch_wheels)
    monkeypatch.setattr(archive, "_run", without_the_book)
    folder = unpack(archive.make(tmp_path, ["macos-arm64-3.13"]), tmp_path / "a room")
    assert fetched == [("exercises", ""), ("book", ""), ("book", "macos-arm64-3.13")]
    wheels = {path.name for path in (folder / "wheels").iterdir()}
    assert wheels == {f"{group}{target}.whl" for group, target in fetched}
    for name in ("READ-ME-FIRST.txt", "site/index.html", "Makefile", "tools/bootstrap"):
        assert (folder / name).is_file()
    assert_it_is_a_clean_clone(folder)


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_it_has_the_book_the_exercises_and_a_clean_clone(unpacked: Path) -> None:
    for name in ("READ-ME-FIRST.txt", "site/index.html", "site/teachers.html"):
        assert (unpacked / name).is_file()
    assert_it_is_a_clean_clone(unpacked)


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_the_exercises_are_installed_and_checked_without_network(
    unpacked: Path,
) -> None:
    python = getattr(sys, "_base_executable", sys.executable)
    done = without_network(unpacked, "make", "exercises", PYTHON=python)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^  (\d\d)-\S+ +to do$", done.stdout, re.MULTILINE)
    assert len(rows) == 15, done.stdout


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_all_that_make_needs_is_there_for_this_machine(unpacked: Path) -> None:
    done = without_network(
        unpacked,
        *(sys.executable, "-m", "pip", "download", "--no-index", "--no-deps"),
        *("--find-links", "wheels", "--require-hashes", "--dest", "again"),
        *("--requirement", "requirements/book.txt"),
    )
    shutil.rmtree(unpacked / "again", ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", ["amiga-3.12", "linux-x86_64", "macos-arm64-2.7"])
def test_a_machine_that_is_not_known_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(archive.ArchiveError, match="name a system and a Python"):
        archive.fetch_wheels("exercises", tmp_path, target)
    assert not list(tmp_path.iterdir())


def test_without_a_clone_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "ROOT", tmp_path)
    assert archive.main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"an archive is made of a clone: {tmp_path} is no clone of the project, but a "
        "copy without its history\n"
    )
