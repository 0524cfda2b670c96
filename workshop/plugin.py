"""What pytest does with the chapters' exercises: see docs/exercises.md for the reader.

    pytest chapters/05-detach-and-reattach          check exercise.py there
    pytest chapters/05-detach-and-reattach --hint   the next hint, and no check
    pytest chapters/05-detach-and-reattach --compare    the answer beside the solution
    pytest chapters                                 how far you are with all of them

A chapter's checks run in the order of its file, and end at the first that fails: its
message is what the reader sees, in place of a stack. Another answer is checked with
`--answer solution.py`, a path from the chapter's folder. All of it happens in a second
process, see apart.py: an answer may end the one that it runs in.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import itertools
import threading
import traceback
import unittest
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from workshop import beside, hints, seals, slips, watchdog
from workshop.answer import Answer, explained, source_of
from workshop.apart import Apart
from workshop.checking import COLUMN, WIDTH, WrongAnswer, prints_too_much, table
from workshop.places import line_in, shown_path

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
CHECK = "test_exercise.py"
#: After a chapter's first mistake its other checks would only repeat it.
NOT_RUN = "a check before this one has failed"
#: What ends a check as if it had been told so, or all of them.
WAYS_OUT = (
    *(pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest),
    *(pytest.exit.Exception, pytest.fail.Exception, SystemExit),
)
_STATE = pytest.StashKey["Workshop"]()


@dataclass
class Chapter:
    """What came of the checks of one chapter."""

    folder: Path
    answer: Path
    collected: int = 0
    #: The check that was begun last.
    begun: str = ""
    passed: list[str] = field(default_factory=list)
    #: The check that failed, in words; and what there is to say about it.
    failed: str = ""
    message: str = ""

    @property
    def state(self) -> str:
        if not self.collected:
            return "no check"
        if len(self.passed) < self.collected:
            untouched = seals.is_as_it_came(self.answer)
            return (
                "to do" if untouched and self.answer.name == "exercise.py" else "begun"
            )
        return "done" if seals.is_as_it_came(self.folder / CHECK) else "check edited"


class Workshop:
    """The state of one run."""

    def __init__(self, config: pytest.Config) -> None:
        self.answer: str = config.getoption("--answer")
        self.chapters: dict[Path, Chapter] = {}
        self.apart = Apart()
        #: Of the run, when it is over.
        self.exit_status: int | None = None

    def of(self, item: pytest.Item) -> Chapter | None:
        """The chapter whose check that is; None for a test of something else."""
        if item.path.name != CHECK or item.path.parent not in all_folders():
            return None
        return self.in_folder(item.path.parent)

    def in_folder(self, folder: Path) -> Chapter:
        chapter = Chapter(folder, folder / self.answer)
        return self.chapters.setdefault(folder, chapter)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("exercises")
    group.addoption(
        "--hint", action="store_true", help="show the chapter's next hint; no check"
    )
    group.addoption(
        "--compare", action="store_true", help="your answer beside the solution"
    )
    group.addoption(
        "--answer",
        default="exercise.py",
        metavar="FILE",
        help="check another answer, by its path from the chapter's folder",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    workshop = config.stash[_STATE] = Workshop(config)
    if said := slips.misnamed(config.args, config.invocation_params.dir):
        print(said)
        return int(pytest.ExitCode.USAGE_ERROR)
    for option, show in (("--hint", hints.show), ("--compare", beside.show)):
        if config.getoption(option):
            folders = asked_for(config)
            if len(folders) != 1:
                names = "the chapter, as in: pytest chapters/05-detach-and-reattach"
                print(f"{option} is for one chapter at a time. Name {names} {option}")
                return int(pytest.ExitCode.USAGE_ERROR)
            print(show(folders[0], config))
            return 0
    config.args = [_folder_of(config, argument) for argument in config.args]
    if getattr(config.option, "numprocesses", None):
        print("The checks of an exercise run one after another: leave out -n.")
        return int(pytest.ExitCode.USAGE_ERROR)
    # A debugger is for this process, and a process of pytest-xdist is one apart.
    asks_only = config.option.usepdb or config.option.collectonly
    if asks_only or hasattr(config, "workerinput"):
        return None
    capturing = config.pluginmanager.getplugin("capturemanager")
    # What was printed before the end is read so that it is not printed again.
    forget = capturing.read_global_capture if capturing else lambda: None
    return workshop.apart.begin(before_again=forget)


def pytest_unconfigure(config: pytest.Config) -> None:
    workshop = config.stash[_STATE]
    workshop.apart.all_is_said(workshop.exit_status)


def _folder_of(config: pytest.Config, argument: str) -> str:
    """A chapter's folder in place of another file in it, such as exercise.py."""
    path = (config.invocation_params.dir / argument).resolve()
    if path.parent in all_folders() and path.is_file() and path.name != CHECK:
        return str(path.parent)
    return argument


def asked_for(config: pytest.Config) -> list[Path]:
    """The folders of the chapters that the command line names."""
    folders: set[Path] = set()
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        path = path.resolve()
        if path == CHAPTERS or path in CHAPTERS.parents:
            folders.update(all_folders())
        folders.update({path, *path.parents} & all_folders())
    return sorted(folders)


def all_folders() -> set[Path]:
    return set(CHAPTERS.glob("[0-9][0-9]-*"))


# -- the checks ---------------------------------------------------------------


@pytest.fixture
def exercise(request: pytest.FixtureRequest) -> Answer:
    """The reader's answer, read anew for each check."""
    chapter = request.config.stash[_STATE].of(request.node)
    assert chapter is not None, "only a chapter's test_exercise.py has an exercise"
    with (
        _no_way_out(request.node, chapter),
        watchdog.interrupted_after(watchdog.LIMIT_S, chapter.answer),
    ):
        return Answer(chapter.answer)


@contextlib.contextmanager
def _no_way_out(item: pytest.Item, chapter: Chapter) -> Iterator[None]:
    """What would skip a check, or end the run, is an error like any other."""
    try:
        yield
    except (*WAYS_OUT, KeyboardInterrupt) as error:
        ctrl_c = item.config.stash[_STATE].apart.interrupted
        if ctrl_c or line_in(chapter.answer, error.__traceback__) is None:
            raise
        raise WrongAnswer(
            explained(error, chapter.answer)
            + "\n"
            + table(
                why="To skip a check, or to end the run, does not do what the check is "
                "about. In a server such an exception ends a thread, or everything."
            )
        ) from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    for item in items:
        chapter = config.stash[_STATE].of(item)
        if chapter is not None:
            chapter.collected += 1


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    chapter = item.config.stash[_STATE].of(item)
    if chapter is None:
        return
    if chapter.failed:
        pytest.skip(NOT_RUN)
    process = item.config.stash[_STATE].apart
    if item.nodeid in process.ended:
        raise WrongAnswer(process.ended[item.nodeid])
    chapter.begun = item.nodeid
    process.check_begins(item.nodeid, chapter.answer)
    watchdog.give_up = functools.partial(process.give_up, item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    yield
    chapter = item.config.stash[_STATE].of(item)
    if chapter is None or chapter.begun != item.nodeid:
        return
    stays = watchdog.stays(chapter.answer, seconds=1)
    if stays:
        said = table(
            stays=stays,
            why="All else is done, and this thread still runs. It is no daemon, so "
            "Python waits for it and does not end: nor would a server.",
        )
        if not chapter.failed:
            raise WrongAnswer(said)
        chapter.message += "\n" + said


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """What was not run is neither shown nor counted."""
    skipped = report.skipped and NOT_RUN in report.longreprtext
    return ("", "", "") if skipped else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    chapter = item.config.stash[_STATE].of(item)
    if chapter is None:
        return (yield)
    with _threads_that_die(chapter.answer) as dead:
        try:
            with (
                _no_way_out(item, chapter),
                watchdog.interrupted_after(watchdog.LIMIT_S, chapter.answer),
            ):
                return (yield)
        except (Exception, SystemExit, watchdog.Hangs) as error:
            chapter.message = "\n".join([_explained(error, item, chapter), *dead])
            raise


def _explained(error: BaseException, item: pytest.Item, chapter: Chapter) -> str:
    if isinstance(error, WrongAnswer):
        return str(error)
    why = table(why=prints_too_much(error) or _in_words(item))
    if isinstance(error, watchdog.Hangs):
        where = f"after {watchdog.LIMIT_S:g} s it still is in\n{error}"
        return table(hangs=where if str(error) else "in what it waits for") + "\n" + why
    files = [str(item.path), str(chapter.answer)]
    stack = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in stack if frame.filename in files]
    # The check's line that called the answer, or its last one.
    of_check = itertools.takewhile(lambda frame: frame.filename == files[0], theirs)
    call = [frame.line for frame in of_check][-1:]
    check = getattr(item, "module", None)
    said = explained(error, chapter.answer, check)
    return "\n".join([*(table(called=line) for line in call), said, why])


@contextlib.contextmanager
def _threads_that_die(answer: Path) -> Iterator[list[str]]:
    """Collects, in words, the exceptions that threads end with."""
    dead: list[str] = []

    def died(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            name = arguments.thread.name if arguments.thread else "a thread"
            dead.append(f"Before that, {name} ended with an exception:")
            dead.append(explained(arguments.exc_value, answer))

    before, threading.excepthook = threading.excepthook, died
    try:
        yield dead
    finally:
        threading.excepthook = before


def _in_words(item: pytest.Item) -> str:
    """The first line of a check's docstring: what it is about."""
    text = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip()
    return text.partition("\n")[0] or item.name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    chapter = item.config.stash[_STATE].of(item)
    if chapter is None:
        return report
    if report.failed and report.when == "teardown" and not chapter.failed:
        chapter.passed.pop()  # it passed until then
    if report.failed and not chapter.failed:
        chapter.failed = _in_words(item)
        if call.excinfo is not None and report.when != "call":
            chapter.message = _explained(call.excinfo.value, item, chapter)
        # A check that is at fault itself: better its stack than nothing.
        chapter.message = chapter.message or report.longreprtext
        if report.capstdout.strip():
            lines = report.capstdout.rstrip().splitlines()[-20:]
            printed = [line[: WIDTH - COLUMN] for line in lines]
            chapter.message += "\n" + table(it_printed="\n".join(printed))
        report.longrepr = chapter.message
    elif report.passed and report.when == "call":
        chapter.passed.append(_in_words(item))
    return report


# -- what the reader sees -----------------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A chapter that was asked for and has no check is an error."""
    workshop = session.config.stash[_STATE]
    for folder in asked_for(session.config):
        if not workshop.in_folder(folder).collected and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    workshop.exit_status = int(session.exitstatus)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    workshop = config.stash[_STATE]
    chapters = [workshop.chapters[folder] for folder in sorted(workshop.chapters)]
    if not chapters or config.option.collectonly:
        return
    lines = _detail(chapters[0]) if len(chapters) == 1 else _overview(chapters)
    terminalreporter.ensure_newline()
    for line in lines:
        terminalreporter.write_line(line)


def _detail(chapter: Chapter) -> Iterator[str]:
    command = f"pytest {shown_path(chapter.folder)}"
    yield ""
    yield f"{shown_path(chapter.answer)}: {_checks(chapter)}"
    yield ""
    yield from (f"  passes     {passed}" for passed in dict.fromkeys(chapter.passed))
    if chapter.failed:
        yield f"  fails      {chapter.failed}"
        yield ""
        yield from (f"  {line}" for line in chapter.message.splitlines())
        yield ""
        yield f"Go on in {_where_to_go_on(chapter.answer)}, then run this again."
        yield f"A hint: {command} --hint"
    elif chapter.state == "done":
        yield ""
        yield f"Done. Beside the solution: {command} --compare"
    yield from _not_as_it_came(chapter)


def _overview(chapters: list[Chapter]) -> Iterator[str]:
    yield ""
    for chapter in chapters:
        count = "" if chapter.state == "to do" else _checks(chapter)
        yield f"  {chapter.folder.name:28} {chapter.state:13} {count}".rstrip()
    yield ""
    done = sum(chapter.state == "done" for chapter in chapters)
    left = [chapter for chapter in chapters if chapter.state != "done"]
    go_on = f" Go on with: pytest {shown_path(left[0].folder)}" if left else ""
    yield f"{done} of {len(chapters)} done.{go_on}"
    for chapter in chapters:
        yield from _not_as_it_came(chapter)


def _checks(chapter: Chapter) -> str:
    if not chapter.collected:
        return f"there is none; git restore {shown_path(chapter.folder / CHECK)}"
    return f"{len(chapter.passed)} of {chapter.collected} checks pass"


def _where_to_go_on(answer: Path) -> str:
    """The file; and the line that Python cannot read, or while a TODO is left in it."""
    try:
        source = source_of(answer)
        lines = source.splitlines()
        ast.parse(source)
    except SyntaxError as error:
        at = f", line {error.lineno}" if error.lineno else ""
        return f"{shown_path(answer)}{at}"
    except (OSError, ValueError):
        lines = []
    for number, line in enumerate(lines, 1):
        if "# TODO" in line:
            return f"{shown_path(answer)}, line {number}"
    return shown_path(answer)


def _not_as_it_came(chapter: Chapter) -> Iterator[str]:
    check = chapter.folder / CHECK
    if chapter.collected and not seals.is_as_it_came(check):
        path = shown_path(check)
        yield f"{path} is not the one that came with the book: see git diff {path}"
