"""What a reader sees who does the exercises: in a copy, with answers of all kinds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workshop.running import NAMES, ROOT, PreparedPytest, run_pytest, said
from workshop.answer import place

CHAPTER = "01-close-after-response"


class Desk:
    """A reader's copy of the project, in a folder with a space in its name."""

    def __init__(self, root: Path, prepared: PreparedPytest) -> None:
        self.root = root
        self._prepared = prepared
        self.exercise = self.in_chapter("exercise.py")
        self.check = self.in_chapter("test_exercise.py")
        self.solution = self.in_chapter("solution.py").read_text(encoding="utf-8")

    def in_chapter(self, name: str) -> Path:
        return self.root / "chapters" / CHAPTER / name

    def run(self, *arguments: str, **environment: str) -> str:
        if environment:
            done = run_pytest(*arguments, root=self.root, environment=environment)
        else:
            done = self._prepared(*arguments, root=self.root)
        self.status = done.returncode
        return done.stdout + done.stderr

    def hurry(self) -> None:
        """A second of the watchdog's takes a fifth of one: what hangs is the same."""
        watchdog = self.root / "workshop" / "watchdog.py"
        text = watchdog.read_text(encoding="utf-8")
        assert text.count("ITIMER_REAL, seconds, AGAIN_S)") == 1
        hurried = text.replace("seconds, AGAIN_S)", "seconds / 5, AGAIN_S / 5)")
        watchdog.write_text(hurried, encoding="utf-8")

    def write(self, source: str) -> str:
        """Write that into exercise.py, and run the chapter's check."""
        self.exercise.write_text(source, encoding="utf-8")
        return self.run(f"chapters/{CHAPTER}")


@pytest.fixture
def desk(tmp_path: Path, prepared: PreparedPytest) -> Desk:
    root = tmp_path / "my copy"
    ignored = shutil.ignore_patterns("__pycache__", ".hints.json")
    # Chapter 06's check reads one of the book's timelines.
    for name in ("chapters", "workshop", "docs/measurements/traces"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    return Desk(root, prepared)


# -- the canary: what is checked is what the reader wrote ----------------------


def test_what_runs_is_the_readers_file(desk: Desk) -> None:
    marked = desk.solution + "\nprint('the canary sings')\nraise SystemExit(3)\n"
    text = desk.write(marked)
    assert desk.status == 1
    assert "the canary sings" in text
    assert "SystemExit: 3" in text


def test_a_change_within_the_same_second_is_seen(desk: Desk) -> None:
    """Python's cache of compiled files would not see one that keeps size and time."""
    desk.exercise.write_text(desk.solution, encoding="utf-8")
    stamp = desk.exercise.stat()
    desk.run(f"chapters/{CHAPTER}", PYTHONDONTWRITEBYTECODE="")
    assert desk.status == 0
    broken = desk.solution.replace("return None", "return 1234")
    assert len(broken) == len(desk.solution)
    assert broken != desk.solution
    desk.exercise.write_text(broken, encoding="utf-8")
    os.utime(desk.exercise, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    desk.run(f"chapters/{CHAPTER}", PYTHONDONTWRITEBYTECODE="")
    assert desk.status == 1


def test_nothing_else_of_that_name_is_taken_for_it(desk: Desk) -> None:
    (desk.root / "exercise.py").write_text(desk.solution)
    (desk.root / "chapters" / "exercise.py").write_text(desk.solution)
    desk.run(f"chapters/{CHAPTER}", PYTHONPATH=str(desk.root))
    assert desk.status == 1


@pytest.mark.parametrize("source", ["", '"""Nothing."""\n', "def helper(): ...\n"])
def test_a_check_without_tests_is_an_error(desk: Desk, source: str) -> None:
    desk.exercise.write_text(desk.solution, encoding="utf-8")
    desk.check.write_text(source)
    for arguments in ([f"chapters/{CHAPTER}"], ["chapters"]):
        text = desk.run(*arguments, "--answer", "solution.py")
        assert desk.status == pytest.ExitCode.NO_TESTS_COLLECTED
        assert f"git restore chapters/{CHAPTER}/test_exercise.py" in said(text)


def test_a_check_that_is_gone_is_an_error(desk: Desk) -> None:
    desk.check.unlink()
    text = desk.run(f"chapters/{CHAPTER}")
    assert desk.status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert f"git restore chapters/{CHAPTER}/test_exercise.py" in said(text)


def test_an_edited_check_is_noticed(desk: Desk) -> None:
    desk.exercise.write_text(desk.solution, encoding="utf-8")
    text = desk.run(f"chapters/{CHAPTER}")
    assert "is not the one that came" not in text
    assert "Done." in text
    desk.check.write_text(desk.check.read_text() + "\n# shorter\n")
    text = desk.run(f"chapters/{CHAPTER}")
    assert "test_exercise.py is not the one that came with the book" in said(text)
    assert "Done." not in text
    assert "check edited" in desk.run("chapters")


def test_a_check_that_python_cannot_read_is_an_error(desk: Desk) -> None:
    desk.check.write_text("def test_it(exercise:\n")
    desk.run(f"chapters/{CHAPTER}")
    assert desk.status not in (0, 1)


# -- an answer that cannot be called ------------------------------------------


def test_a_syntax_error_says_where(desk: Desk) -> None:
    text = said(desk.write("import socket\n\n\ndef read_head(sock, limit=8192:\n"))
    assert "wrong SyntaxError" in text
    assert f"chapters/{CHAPTER}/exercise.py, line 4" in text
    assert "def read_head(sock, limit=8192:" in text
    assert "Traceback" not in text


def test_an_answer_may_have_a_dataclass(desk: Desk) -> None:
    """Which looks its module up, where annotations are kept as strings."""
    source = (
        "from __future__ import annotations\nimport dataclasses\n\n\n"
        "@dataclasses.dataclass\nclass Head:\n    text: bytes\n\n\n"
    )
    assert "Done." in desk.write(source + desk.solution)


def test_a_missing_function_is_named(desk: Desk) -> None:
    text = said(desk.write('"""Nothing yet."""\n'))
    assert "exercise.py has no read_head." in text
    assert "misspelt" not in text


def test_a_misspelt_function_is_named(desk: Desk) -> None:
    text = said(desk.write(desk.solution.replace("read_head", "read_haed")))
    assert "exercise.py has no read_head. It has read_haed: is that it" in text


def test_an_error_while_it_is_read_says_where(desk: Desk) -> None:
    text = said(desk.write("import sockets\n"))
    assert "raised ModuleNotFoundError: No module named 'sockets'" in text
    assert f"chapters/{CHAPTER}/exercise.py, line 1" in text


def test_an_exception_says_in_which_line(desk: Desk) -> None:
    source = desk.solution.replace("received += piece", "received += sock")
    text = said(desk.write(source))
    number = 1 + source[: source.index("received += sock")].count("\n")
    assert "raised TypeError" in text
    assert f"exercise.py, line {number}, in read_head: received += sock" in text
    assert "Traceback" not in text


def test_parameters_that_do_not_fit_are_explained(desk: Desk) -> None:
    text = said(desk.write("def read_head():\n    return None\n"))
    assert "raised TypeError: read_head() takes 0 positional arguments" in text
    assert "are the parameters as they came?" in text


def test_a_place_without_a_line_is_one(tmp_path: Path) -> None:
    """Python has no number for some instructions of its own."""
    assert place(tmp_path / "x.py", None, "f") == f"{tmp_path / 'x.py'}, in f"


def test_a_check_at_fault_shows_its_stack(desk: Desk) -> None:
    desk.exercise.write_text(desk.solution, encoding="utf-8")
    desk.check.write_text(
        "import pytest\n\n\n@pytest.fixture\ndef torn():\n    yield\n"
        "    raise RuntimeError('my own fault')\n\n\n"
        'def test_it(exercise, torn):\n    "It."\n'
    )
    text = desk.run(f"chapters/{CHAPTER}")
    assert desk.status == 1
    assert "my own fault" in text


def test_a_file_that_is_gone_can_be_brought_back(desk: Desk) -> None:
    desk.exercise.unlink()
    text = said(desk.run(f"chapters/{CHAPTER}"))
    assert f"git restore chapters/{CHAPTER}/exercise.py" in text


def test_a_file_that_is_no_text_is_named(desk: Desk) -> None:
    desk.exercise.write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8" in said(desk.run(f"chapters/{CHAPTER}"))


def test_what_the_answer_printed_is_shown(desk: Desk) -> None:
    text = desk.write("def read_head(sock, limit=0):\n    print('I was here')\n")
    assert "it printed I was here" in said(text)


# -- an answer that hangs -----------------------------------------------------

LOOP = "def read_head(sock, limit=8192):\n    while True:\n        pass\n"


@pytest.mark.parametrize(
    "source",
    [
        LOOP,
        "import time\ndef read_head(sock, limit=8192):\n    time.sleep(1000)\n",
        "import threading\nlock = threading.Lock()\n"
        "def read_head(sock, limit=8192):\n    lock.acquire(); lock.acquire()\n",
    ],
    ids=["loop", "sleep", "lock"],
)
def test_one_that_hangs_says_in_which_line(desk: Desk, source: str) -> None:
    desk.hurry()
    text = said(desk.write(source))
    assert desk.status == 1
    assert "came back nothing, within 2 s. It hangs in" in text
    assert f"chapters/{CHAPTER}/exercise.py, line " in text
    assert ", in read_head:" in text


def test_one_that_hangs_while_it_is_read_says_in_which_line(desk: Desk) -> None:
    desk.hurry()
    text = said(desk.write("while True:\n    pass\n"))
    assert "hangs after 5 s it still is in" in text
    assert f"chapters/{CHAPTER}/exercise.py, line " in text


def test_one_that_exits_says_in_which_line(desk: Desk) -> None:
    source = (
        "import sys\n\n\ndef read_head(sock, limit=8192):\n    sys.exit('enough')\n"
    )
    text = said(desk.write(source))
    assert "raised SystemExit: enough" in text
    assert "exercise.py, line 5, in read_head: sys.exit('enough')" in text
    assert "Traceback" not in text


def test_a_thread_that_hangs_is_named(desk: Desk) -> None:
    source = (
        "import threading\n\n\ndef wait():\n    threading.Event().wait()\n\n\n"
        "def read_head(sock, limit=8192):\n"
        "    thread = threading.Thread(target=wait, daemon=True, name='helper')\n"
        "    thread.start()\n    thread.join()\n"
    )
    desk.hurry()
    text = said(desk.write(source))
    assert "thread helper in" in text
    assert "exercise.py, line 5, in wait: threading.Event().wait()" in text


def test_a_thread_that_died_is_told_of(desk: Desk) -> None:
    source = (
        "import threading\n\n\ndef fail():\n    raise ValueError('no luck')\n\n\n"
        "def read_head(sock, limit=8192):\n"
        "    thread = threading.Thread(target=fail, name='helper')\n"
        "    thread.start()\n    thread.join()\n"
    )
    text = said(desk.write(source))
    assert "Before that, helper ended with an exception:" in text
    assert "raised ValueError: no luck" in text
    assert "line 5, in fail:" in text


def test_one_that_catches_everything_is_ended(desk: Desk) -> None:
    source = (
        "def read_head(sock, limit=8192):\n    while True:\n        try:\n"
        "            while True:\n                pass\n"
        "        except BaseException:\n            pass\n"
    )
    desk.hurry()
    text = said(desk.write(source))
    assert desk.status == 1
    assert "catches what should end it" in text
    assert "in read_head:" in text


# -- hints, progress, comparison ----------------------------------------------


def test_hints_come_one_at_a_time(desk: Desk) -> None:
    asked = f"chapters/{CHAPTER}", "--hint"
    first = [desk.run(*asked) for _ in range(4)]
    assert [text.partition("\n")[0] for text in first[:3]] == [
        "Hint 1 of 3",
        "Hint 2 of 3",
        "Hint 3 of 3",
    ]
    assert "You have seen them all" in first[3]
    assert "Hint 1 of 3" in first[3]
    assert "passed" not in "".join(first)
    assert "failed" not in "".join(first)
    assert desk.status == 0


@pytest.mark.parametrize("text", ["", "[", "{}"])
def test_hints_begin_anew_where_nothing_is_known(desk: Desk, text: str) -> None:
    (desk.root / "chapters" / ".hints.json").write_text(text)
    assert "Hint 1 of 3" in desk.run(f"chapters/{CHAPTER}", "--hint")


@pytest.mark.parametrize("option", ["--hint", "--compare"])
def test_one_chapter_at_a_time(desk: Desk, option: str) -> None:
    text = desk.run("chapters", option)
    assert desk.status == pytest.ExitCode.USAGE_ERROR
    assert f"{option} is for one chapter at a time" in text


def test_progress_at_a_glance(desk: Desk) -> None:
    assert desk.run("chapters").count(" to do") == len(NAMES)
    desk.exercise.write_text(desk.solution, encoding="utf-8")
    other = desk.root / "chapters" / NAMES[1] / "exercise.py"
    other.write_text(other.read_text() + "\n# begun\n")
    lines = desk.run("chapters").splitlines()
    rows = {line.split()[0]: said(line) for line in lines if line.startswith("  ")}
    assert list(rows) == NAMES
    assert " done " in rows[NAMES[0]]
    assert " begun " in rows[NAMES[1]]
    assert rows[NAMES[2]].endswith("to do")
    assert f"1 of {len(NAMES)} done. Go on with: pytest chapters/{NAMES[1]}" in lines
    assert desk.status == 1


def test_what_is_done_is_done_whatever_fails_before_it(desk: Desk) -> None:
    folder = desk.root / "chapters" / NAMES[2]
    shutil.copy(folder / "solution.py", folder / "exercise.py")
    text = desk.run("chapters")
    rows = [line.split() for line in text.splitlines() if line.startswith("  ")]
    assert [row[0] for row in rows if row[1] == "done"] == [NAMES[2]]
    assert f"{len(NAMES) - 1} failed" in text
    assert "error" not in text
    assert "skipped" not in text


def test_all_done(desk: Desk) -> None:
    for name in NAMES:
        folder = desk.root / "chapters" / name
        shutil.copy(folder / "solution.py", folder / "exercise.py")
    text = desk.run("chapters")
    assert desk.status == 0
    assert f"{len(NAMES)} of {len(NAMES)} done." in text


def test_the_answer_beside_the_solution(desk: Desk) -> None:
    text = desk.run(f"chapters/{CHAPTER}", "--compare", COLUMNS="120")
    assert desk.status == 0
    assert text.startswith("exercise.py")
    rows = text.splitlines()
    width = text.index("solution.py")
    left, right = ({row[:width].strip() for row in rows}, {row[width:] for row in rows})
    assert any("# TODO" in line for line in left)
    assert "    while True:" in right
    assert "passed" not in text


def test_comparing_does_not_need_an_answer_that_python_can_read(desk: Desk) -> None:
    desk.exercise.write_text("def read_head(:\n")
    text = desk.run(f"chapters/{CHAPTER}", "--compare")
    assert desk.status == 0
    assert "def read_head(:" in text


def test_it_works_from_the_chapters_own_folder(desk: Desk) -> None:
    folder = desk.exercise.parent
    done = run_pytest("--hint", root=folder)
    assert "Hint 1 of 3" in done.stdout
    assert f"pytest chapters/{CHAPTER} --hint" in run_pytest(root=folder).stdout


def test_starting_over_is_one_command_and_loses_nothing(desk: Desk) -> None:
    """As docs/exercises.md says it: git puts the answer away."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@localhost")
        subprocess.run(
            ["git", *identity, *arguments],
            cwd=desk.root,
            check=True,
            capture_output=True,
        )

    starter = desk.exercise.read_text()
    git("init", "-q")
    git("add", "chapters", "workshop")
    git("commit", "-qm", "as it came")
    desk.exercise.write_text(desk.solution)
    manual = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    over = f"git stash push chapters/{CHAPTER}/exercise.py"
    assert f"$ {over}\n" in manual
    assert "$ git stash pop\n" in manual
    git(*over.split()[1:])
    assert desk.exercise.read_text() == starter
    git("stash", "pop")
    assert desk.exercise.read_text() == desk.solution


def test_the_manual_shows_what_is_printed(desk: Desk) -> None:
    manual = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    shown = re.search(r"```console\n\$ pytest (.+)\n((?:.|\n)+?)```", manual)
    assert shown

    def without_times(text: str) -> str:
        return re.sub(r"in [\d.]+s", "in 0.1s", text).strip()

    printed = desk.run(*shown[1].split())
    assert without_times(printed) == without_times(shown[2])
