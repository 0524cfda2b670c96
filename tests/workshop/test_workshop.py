"""What a reader sees who does the exercises: in a copy, with answers of all kinds."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workshop.running import (
    NAMES,
    ROOT,
    PreparedPytest,
    readers_environment,
    run_pytest,
    said,
)
from workshop import apart, slips, watchdog
from workshop.places import place

#: Characters on a screen, or rather on a large one.
SCREEN = 3000
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
        apart = self.root / "workshop" / "apart.py"
        text = apart.read_text(encoding="utf-8")
        assert text.count("END_S = 6.5") == 1
        apart.write_text(text.replace("END_S = 6.5", "END_S = 1.5"), encoding="utf-8")

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


def test_one_goes_on_where_python_cannot_read_the_file(desk: Desk) -> None:
    """And not at a TODO that is left elsewhere in it."""
    text = desk.write("# TODO: this first\n\ndef f(:\n")
    assert f"Go on in chapters/{CHAPTER}/exercise.py, line 3, then" in text


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


@pytest.mark.parametrize("option", [(), ("--compare",)])
@pytest.mark.parametrize(
    ("first_line", "encoding"),
    [
        ("", "utf-8-sig"),
        ("# -*- coding: latin-1 -*-\n", "latin-1"),
        ("# -*- coding: utf-8 -*-\n", "utf-8-sig"),
    ],
)
def test_a_file_is_read_in_the_encoding_that_it_names(
    desk: Desk, first_line: str, encoding: str, option: tuple[str, ...]
) -> None:
    """Windows' Notepad writes a byte order mark; others, a line for Emacs."""
    # What the encoding is shows: a function of that name, and a string's length.
    source = first_line + desk.solution + "\n\ndef größe() -> None: ...\n"
    source += "assert len('äöü') == 3\n"
    desk.exercise.write_bytes(source.encode(encoding))
    text = desk.run(f"chapters/{CHAPTER}", *option)
    assert desk.status == 0, text
    assert ("größe" if option else "Done.") in text


def test_an_encoding_that_there_is_not_is_named(desk: Desk) -> None:
    text = said(desk.write("# -*- coding: latin-one -*-\n" + desk.solution))
    assert desk.status == 1
    assert "exercise.py is not UTF-8 text, and names no other encoding" in text
    assert "latin-one" in text
    assert "Traceback" not in text


# -- an exception: whose it is -------------------------------------------------


def test_what_a_stand_in_lacks_is_not_the_readers_mistake(desk: Desk) -> None:
    for asked in ("sock.no_such_thing()", "sock.recv(1, 2, 3, 4, 5)"):
        source = f"def read_head(sock, limit=8192):\n    return {asked}\n"
        text = said(desk.write(source))
        assert f"exercise.py, line 2, in read_head: return {asked}" in text
        assert "What the check calls you with stands for the real thing" in text
        assert "fails Any other head is read as well." in text
        assert "are the parameters as they came?" not in text


CHECK = """
import socket


class Client:
    def recv(self, size):
        raise ConnectionResetError('gone')


def test_it(exercise):
    'What it is about.'
    came_back = exercise.read_head(Client())
    came_back.no_such_thing
"""


def test_what_a_stand_in_raises_is_shown_with_both_places(desk: Desk) -> None:
    desk.check.write_text(CHECK)
    text = said(desk.write("def read_head(sock):\n    return sock.recv(10)\n"))
    assert "called came_back = exercise.read_head(Client())" in text
    assert "raised ConnectionResetError: gone" in text
    assert "exercise.py, line 2, in read_head: return sock.recv(10)" in text
    assert "raised in chapters/" in text
    assert "test_exercise.py, line 7, in recv:" in text
    assert "fails What it is about." in text


def test_an_error_of_the_check_is_said_to_be_there(desk: Desk) -> None:
    desk.check.write_text(CHECK)
    text = said(desk.write("def read_head(sock):\n    return None\n"))
    assert "raised AttributeError: 'NoneType' object has no attribute" in text
    assert "test_exercise.py, line 13, in test_it: came_back.no_such_thing" in text
    assert "This line is the check's, not yours." in text
    assert "are the parameters as they came?" not in text


def test_an_exception_that_came_back_has_its_place(desk: Desk) -> None:
    desk.check.write_text(
        "from workshop import check\n\n\ndef test_it(exercise):\n    'It.'\n"
        "    try:\n        exercise.read_head()\n    except ValueError as error:\n"
        "        check(False, called='it', came_back=error, expected=1, why='So.')\n"
    )
    text = said(desk.write("def read_head():\n    return int('x')\n"))
    assert "came back ValueError(" in text
    assert "exercise.py, line 2, in read_head: return int('x')" in text


# -- another kind than a function ----------------------------------------------

KINDS = {
    "async def {}(*arguments):\n    return None\n": "coroutine",
    "async def {}(*arguments):\n    yield None\n": "coroutine",
    "def {}(*arguments):\n    yield None\n": "generator",
    "class {}:\n    def __init__(self, *arguments): ...\n": "class",
}


@pytest.mark.parametrize(("source", "kind"), KINDS.items())
def test_what_stands_for_a_function_is_said_to_be_another_kind(
    desk: Desk, source: str, kind: str
) -> None:
    text = said(desk.write(source.format("read_head")))
    assert desk.status == 1
    assert f"wrong read_head in exercise.py is a {kind}. expected a function" in text


def test_a_method_that_is_a_coroutine_is_said_to_be_one(desk: Desk) -> None:
    folder = desk.root / "chapters" / "11-deadlines"
    source = (folder / "solution.py").read_text(encoding="utf-8")
    assert source.count("    def set(") == 1
    source = source.replace("    def set(", "    async def set(")
    (folder / "exercise.py").write_text(source, encoding="utf-8")
    text = said(desk.run("chapters/11-deadlines"))
    assert desk.status == 1
    assert re.search(r"wrong \w+\.set in exercise.py is a coroutine\.", text)


def test_what_gives_values_one_by_one_may_be_a_generator(desk: Desk) -> None:
    folder = desk.root / "chapters" / "11-deadlines"
    assert "yield" in (folder / "solution.py").read_text(encoding="utf-8")
    desk.run("chapters/11-deadlines", "--answer", "solution.py")
    assert desk.status == 0


# -- no way round by accident --------------------------------------------------

WAYS = {
    "pytest.skip('x')": "raised Skipped: x",
    "pytest.xfail('x')": "raised XFailed: x",
    "pytest.exit('x')": "raised Exit: x",
    "pytest.fail('x')": "raised Failed: x",
    "unittest.TestCase().skipTest('x')": "raised SkipTest: x",
    "exit()": "raised SystemExit",
    "sys.exit(0)": "raised SystemExit: 0",
    "exec('raise KeyboardInterrupt')": "raised KeyboardInterrupt",
    "os._exit(0)": "ended the whole process, with status 0, as os._exit() does",
    "os.abort()": "ended the whole process, by SIGABRT",
    "os.kill(os.getpid(), 9)": "ended the whole process, by SIGKILL",
}


@pytest.mark.parametrize("when", ["read", "called"])
@pytest.mark.parametrize(("way", "told"), WAYS.items())
def test_what_would_skip_a_check_fails_it(
    desk: Desk, way: str, told: str, when: str
) -> None:
    source = f"import os, sys, unittest\nimport pytest\n\n{desk.solution}\n"
    if when == "read":
        source += way + "\n"
    else:
        source = source.replace("    while True:", f"    {way}\n    while True:")
    text = said(desk.write(source))
    assert desk.status == 1
    assert "fails Any other head is read as well." in text
    assert told in text
    assert " why " in text
    assert "passes" not in text
    assert "Done." not in text
    assert "Traceback" not in text
    if told.startswith("raised"):
        assert "exercise.py, line " in text


def test_what_ends_the_process_leaves_the_other_chapters_theirs(desk: Desk) -> None:
    for name in NAMES:
        folder = desk.root / "chapters" / name
        shutil.copy(folder / "solution.py", folder / "exercise.py")
    source = desk.solution.replace("return None", "import os; os._exit(0)")
    desk.exercise.write_text(source, encoding="utf-8")
    text = desk.run("chapters")
    assert desk.status == 1
    assert f"{len(NAMES) - 1} of {len(NAMES)} done." in text
    rows = [line.split()[:2] for line in text.splitlines() if line.startswith("  ")]
    assert [name for name, state in rows if state == "begun"] == [CHAPTER]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "no:cacheprovider"),
        ("-p", "no:faulthandler"),
        ("-p", "no:capture"),
        ("-s",),
    ],
)
def test_no_option_opens_a_way(desk: Desk, arguments: tuple[str]) -> None:
    source = "import os\ndef read_head(sock, limit=0):\n    os._exit(0)\n"
    desk.exercise.write_text(source)
    text = desk.run(f"chapters/{CHAPTER}", *arguments)
    assert desk.status == 1
    assert "the whole process, with status 0" in text


@pytest.mark.parametrize(
    ("number", "to_whom"),
    [(signal.SIGINT, "both"), (signal.SIGTERM, "the first")],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_run_that_is_ended_from_outside_ends(
    desk: Desk, number: signal.Signals, to_whom: str
) -> None:
    """A terminal sends Ctrl-C to both processes; `kill` reaches the first alone."""
    asleep = desk.root / "asleep"
    desk.exercise.write_text(
        "import os, pathlib, time\n\n\ndef read_head(sock, limit=0):\n"
        "    pathlib.Path('asleep.part').write_text(str(os.getpid()))\n"
        "    os.rename('asleep.part', 'asleep')\n    time.sleep(1000)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", f"chapters/{CHAPTER}"],
        cwd=desk.root,
        env=readers_environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        until = time.monotonic() + 30
        while not asleep.exists():
            assert run.poll() is None
            assert time.monotonic() < until, "it does not begin"
            time.sleep(0.01)
        if to_whom == "both":
            os.killpg(run.pid, number)
        else:
            run.send_signal(number)
        assert run.stdout is not None
        text = run.stdout.read()  # until both have closed it
        status = run.wait(timeout=30)
    if number == signal.SIGINT:
        assert status == pytest.ExitCode.INTERRUPTED
        assert "KeyboardInterrupt" in text
    else:
        assert status == -number
    assert "fails" not in text
    with pytest.raises(ProcessLookupError):
        os.kill(int(asleep.read_text()), 0)


@pytest.mark.parametrize("when", ["read", "called"])
def test_a_loop_in_c_is_ended_and_its_line_is_shown(desk: Desk, when: str) -> None:
    """It keeps the interpreter's lock, and no signal's handler runs meanwhile."""
    loop = "sum(iter(int, 1))"
    source = f"def read_head(sock, limit=0):\n    {loop}\n"
    if when == "read":
        source = f"import os\n{loop}\n"
    desk.hurry()
    text = said(desk.write(source))
    assert desk.status == 1
    assert "hangs after 1.5 s it still is in" in text
    assert "exercise.py, line 2" in text
    assert loop in text
    assert len(text) < SCREEN


def test_what_cannot_be_interrupted_is_ended_within_ten_seconds(desk: Desk) -> None:
    longest = watchdog.LIMIT_S + (1 + watchdog.PATIENCE) * watchdog.AGAIN_S
    assert longest <= apart.END_S
    # The rest is for pytest, which starts twice.
    assert apart.END_S + apart.LEAVE_S < 8


@pytest.mark.parametrize("ends", ["", "    return None\n"], ids=["right", "wrong"])
def test_a_thread_that_is_no_daemon_is_ended_and_its_line_is_shown(
    desk: Desk, ends: str
) -> None:
    source = "import threading, time\n\n\ndef stay():\n    time.sleep(1000)\n\n\n"
    start = "    threading.Thread(target=stay, name='helper').start()\n" + ends
    source += desk.solution.replace("    received = b", start + "    received = b", 1)
    text = said(desk.write(source))
    assert desk.status == 1
    assert "stays thread helper in" in text
    assert "exercise.py, line 5, in stay: time.sleep(1000)" in text
    assert len(text) < SCREEN


@pytest.mark.parametrize(
    "printing", ["print('x' * 100_000_000)", "while True: print('x' * 70)"]
)
def test_who_prints_without_end_is_told_in_which_line(
    desk: Desk, printing: str
) -> None:
    text = desk.write(f"def read_head(sock, limit=0):\n    {printing}\n")
    assert desk.status == 1
    assert "It prints more than 10 MB" in text
    assert f"exercise.py, line 2, in read_head: {printing}" in said(text)
    assert len(text) < SCREEN + 2000
    assert len(text.splitlines()) < 40


def test_a_message_is_no_longer_than_a_screen(desk: Desk) -> None:
    source = "def read_head(sock, limit=0):\n    raise ValueError('x ' * 10**6)\n"
    assert len(desk.write(source.replace("ValueError", "KeyError"))) < 2 * SCREEN


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


@pytest.mark.parametrize("name", ["exercise.py", "README.md", "solution.py"])
def test_a_file_of_the_chapter_stands_for_its_folder(desk: Desk, name: str) -> None:
    text = desk.run(f"chapters/{CHAPTER}/{name}")
    assert f"chapters/{CHAPTER}/exercise.py: 1 of " in text
    assert "fails" in text


@pytest.mark.parametrize(
    ("folder", "typed", "shown"),
    [
        ("", "chapters/1-close", f"chapters/{CHAPTER}"),
        ("", "chapter/01", f"chapters/{CHAPTER}"),
        ("", "chapters/close-after-respons", f"chapters/{CHAPTER}"),
        ("", "chapters/03-timeout/exercise.py", "chapters/03-timeout-and-rebuild"),
        ("chapters", "3", "03-timeout-and-rebuild"),
        ("chapters/01-close-after-response", f"chapters/{CHAPTER}", "."),
    ],
)
def test_a_chapter_that_is_misnamed_is_guessed(
    desk: Desk, folder: str, typed: str, shown: str
) -> None:
    shutil.copytree(ROOT / "tests", desk.root / "tests", dirs_exist_ok=True)
    shutil.copytree(ROOT / "tools", desk.root / "tools", dirs_exist_ok=True)
    done = run_pytest(typed, "-q", root=desk.root / folder)
    assert done.returncode != 0
    (line,) = (done.stdout + done.stderr).splitlines()
    assert line == f"There is no {typed} here. Its exercise: pytest {shown}"


def test_the_value_of_an_option_is_no_misnamed_chapter() -> None:
    assert slips.misnamed(["-k", "3", "tests/nowhere_else.py"], ROOT) == ""


def test_collecting_alone_says_nothing_of_the_answer(desk: Desk) -> None:
    text = desk.run(f"chapters/{CHAPTER}", "--collect-only")
    assert desk.status == 0
    assert "checks pass" not in text
    assert "git restore" not in text


def test_several_processes_are_refused_in_one_line(desk: Desk) -> None:
    text = desk.run(f"chapters/{CHAPTER}", "-p", "xdist", "-n", "2")
    assert desk.status == pytest.ExitCode.USAGE_ERROR
    assert (
        text.strip() == "The checks of an exercise run one after another: leave out -n."
    )


def test_starting_over_is_one_command_and_loses_nothing(desk: Desk) -> None:
    """As docs/exercises.md says it: git puts the answer away."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed here")

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


@pytest.mark.parametrize(
    ("conftest", "said"),
    [
        ("chapters/conftest.py", "the exercises need Python 3.11 or later"),
        ("tests/conftest.py", "the tests need Python 3.11 or later"),
    ],
)
def test_an_older_python_is_told_in_one_line(conftest: str, said: str) -> None:
    """It must be able to read the file, and comes to nothing that it could not."""
    text = (ROOT / conftest).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 8))
    as_old = "import sys; sys.version_info = (3, 9, 18, 'final', 0); exec(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", as_old, text],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{said}, and this pytest is of Python 3.9: type `make ")


@pytest.mark.parametrize("who", ["chapters", "tests"])
def test_windows_is_told_in_one_line(who: str) -> None:
    """It has no fork(), and none of what a check or a test would import then."""
    text = (ROOT / who / "conftest.py").read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "import os, sys; del os.fork; exec(sys.argv[1])", text],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Linux or macOS. On Windows, WSL is a Linux" in line
