"""What the chapters show of a terminal is what their commands print."""

import ast
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from book import transcripts
from book.transcripts import TranscriptError, capture, difference
from lab.paths import ROOT

# The first of them runs all, and what differs once more.
pytestmark = pytest.mark.timeout(240)

FILES = transcripts.files()
STEPS = sorted(ROOT.glob("steps/step[0-9][0-9]/server.py"))

STEP07 = "# terminal 1\n$ python -m steps.step07\n"
LISTENING = "step07 listening on http://127.0.0.1:8000\n"


@pytest.fixture(scope="module")
def outcomes() -> dict[Path, str | None]:
    """Of all transcripts. They run at once, for they sleep most of the time.

    A command may start too late for what its transcript shows, where all start at once
    and others have the processor, too. So what differs is run again, by itself; a
    transcript that is wrong differs each time.
    """
    with ThreadPoolExecutor(len(FILES)) as pool:
        found = dict(zip(FILES, pool.map(transcripts.check, FILES), strict=True))
    for _ in range(2):
        found |= {path: transcripts.check(path) for path in FILES if found[path]}
    return found


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_transcript_is_what_is_printed(
    path: Path, outcomes: dict[Path, str | None]
) -> None:
    assert outcomes[path] is None, "`python -m book transcripts --capture` mends it"


def test_there_is_one_for_each_chapter() -> None:
    assert {path.name[:2] for path in FILES} >= {f"{n:02}" for n in range(1, 9)}


@pytest.mark.parametrize("server", STEPS, ids=[path.parent.name for path in STEPS])
def test_see_it_break(server: Path) -> None:
    """The commands in a step's docstring are in its chapter's transcripts."""
    lesson = ast.get_docstring(ast.parse(server.read_text())) or ""
    commands = re.findall(r"^    (\w.*?)(?:  +#.*)?$", lesson, re.MULTILINE)
    assert commands
    chapter = server.parent.name.removeprefix("step")
    shown = {
        shape(command)
        for path in transcripts.files([chapter])
        for section in transcripts.parse(path.read_text())
        for command in section.commands
    }
    assert [c for c in commands if shape(c) not in shown] == []


def shape(command: str) -> str:
    """How long something lasts is for the reader to choose."""
    return re.sub(r" --seconds \d+|\bPID\b|\d+", "", command).replace("  ", " ")


def test_output_is_put_in_and_the_rest_kept() -> None:
    skeleton = (
        f"{STEP07}# terminal 2\n"
        "$ python -m lab silent http://127.0.0.1:8000 --seconds 0 &\n"
        "$ python -m lab probe http://127.0.0.1:8000\n"
        "$ pgrep -f steps.step07\n"
        "$ kill -USR1 1\n"
        "# terminal 1\n"
    )
    text = capture(skeleton)
    assert (
        difference(
            f"{STEP07}{LISTENING}# terminal 2\n"
            "$ python -m lab silent http://127.0.0.1:8000 --seconds 0 &\n"
            "1 connection to http://127.0.0.1:8000 open, nothing sent.\n"
            "$ python -m lab probe http://127.0.0.1:8000\n"
            "0 s later: 1 of 1 still open.\n"
            "request 1: head after 0.1 ms, body after 0.1 ms\n"
            "$ pgrep -f steps.step07\n"
            "4711\n"
            "$ kill -USR1 4711\n"
            "# terminal 1\n"
            "step07 stats accepted=2 refused=0 lock_uses=9 lock_waits=0 "
            "lock_wait_s=0.0 select_calls=9 wakes=9 dispatched=9\n",
            text,
        )
        is None
    )
    # The number that is shown is the number that is used.
    assert len(set(re.findall(r"^(?:\$ kill -USR1 )?(\d+)$", text, re.MULTILINE))) == 1
    assert text.count(":8000") == 4


def test_what_ends_first_is_printed_first() -> None:
    silent = "$ python -m lab silent http://127.0.0.1:8000 --seconds"
    text = capture(f"{STEP07}# terminal 2\n{silent} 1 &\n{silent} 0 &\n")
    assert text.index("\n0 s later") < text.index("\n1 s later")


def test_a_signal_may_find_its_process_by_name() -> None:
    told = "$ pkill -USR1 -f steps.step07\n# terminal 1\n"
    text = capture(f"{STEP07}# terminal 2\n{told}")
    assert told in text
    assert "step07 stats accepted=0" in text.partition(told)[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# terminal 1\n$ rm -r .\n", "not a command for a transcript: rm -r ."),
        (f"{STEP07}$ python -c pass\n", "not a command for a transcript"),
        (f"{STEP07}$ kill -9 1\n", "not a command for a transcript"),
        (f"{STEP07}$ pkill -9 -f 1\n", "not a command for a transcript"),
        ("# terminal 1\n$ kill -USR1 1\n", "there is no server yet"),
        (
            "# terminal 1\n$ python -m steps.step07 --workers 0\n",
            "did not start: .*1000",
        ),
        ("$ python -m steps.step07\n", "first line must be a title"),
        (f"{STEP07}$ kill -USR1 1\n", "the server has more to say: step07 stats"),
    ],
)
def test_what_cannot_be_run(text: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message):
        capture(text)


def test_nothing_is_left_running() -> None:
    text = f"{STEP07}$ pgrep -f steps.step07\n$ python -c pass\n"
    started: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        start = transcripts.Process.__init__

        def note(process: transcripts.Process, *arguments: Any) -> None:
            start(process, *arguments)
            started.append(process.pid)

        patch.setattr(transcripts.Process, "__init__", note)
        with pytest.raises(TranscriptError):
            capture(text)
    assert len(started) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


@pytest.mark.parametrize(
    ("written", "now", "line"),
    [
        ("head after 0.2 ms", "head after 143.9 ms", None),
        ("4,711 requests", "12 requests", None),
        (
            "2 280 requests a second".replace(" ", "\u2009", 1),
            "9 requests a second",
            None,
        ),
        ("lock_wait_s=0.0", "lock_wait_s=1.2e-05", None),
        ("a    1", "a   23", None),
        ("errors: none", "errors: reset 3", 1),
        ("same\nhead after 1 ms", "same\nno answer after 1 s", 2),
        ("same", "same\nmore", 2),
        ("same\nmore", "same", 2),
        (
            "$ python -m lab doctor U\n   1 s  a\nIt\nwaits.\n\nmore",
            "$ python -m lab doctor U\n   9 s  b\nIt waits.\n\nless\nor\nother",
            None,
        ),
        (
            "$ python -m lab doctor U\nIt waits.\n\nmore",
            "$ python -m lab doctor U\nIt works.\n\nmore",
            2,
        ),
        ("same\nthe generator had no time to spare: x\nmore", "same\nmore", None),
    ],
)
def test_difference(written: str, now: str, line: int | None) -> None:
    found = difference(written, now)
    assert (found is None) == (line is None)
    assert found is None or found.startswith(f"line {line} is written as\n")
