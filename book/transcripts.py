"""What the chapters' commands print: recorded from real runs, and still so.

A transcript is a text in docs/transcripts, `03-probe.txt` for `transcript("probe")` in
chapter 03. It shows one or two terminals, commands after `$ ` and what they print:

    # terminal 1
    $ python -m steps.step03
    step03 listening on http://127.0.0.1:8000
    # terminal 2
    $ python -m lab probe http://127.0.0.1:8000 --requests 2
    ...
    $ pgrep -f steps.step03
    4711
    $ kill -USR1 4711
    # terminal 1
    step03 stats accepted=1 ...

To make one, write it without the output, and `python -m book transcripts --capture`
puts the output in. `python -m book transcripts` runs the commands of every transcript,
or of the chapters named, and says where what they print is no longer what is written,
digits and widths of columns aside.

- The server, `python -m steps.…`, comes first, unless the lab starts one by itself. It
  really listens on any free port, and is ended with SIGINT at the end.
- Other commands run one after another. After one that ends in `&` the next begins as
  soon as it has printed a line; after `probe` and `load`, which have nothing to print
  before they are answered, half a second later, unless the transcript has a line of
  theirs there. What else it prints stands before what
  the next one prints; of several, what the one prints that ends first comes first.
- A first line `% 09-no-flush`, which the page does not show, has the commands run with
  a copy of the steps that has this mistake in it (`book/variants.py`).
- A section without a command is what the server has printed since.
- `pgrep -f`, `kill` and `pkill -f` concern the server alone, `pgrep -P` and `pkill -P`
  the processes that it has started. Besides these only `python -m lab …` runs: there is
  no shell.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import psutil

from book.variants import IS_VARIANT, variant
from lab.paths import ROOT, TRANSCRIPTS

#: The port that is written; the one that is used is any free one.
WRITTEN_PORT = 8000
#: For a whole transcript, however slow the machine.
LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
#: Until a server has printed all that it prints at once.
SETTLE_S = 0.1
#: A reader needs time to type, and a figure needs repeats. So much is done when the
#: output is captured; to see whether it is still the same, this is enough.
HURRIED = {
    r"/sleep/\d{5}\b": "/sleep/4000",
    r"--idle-timeout \d\d\b": "--idle-timeout 3",
    r"--rounds \d+": "--rounds 1",
}
#: What these have in the background before the next command begins.
HEAD_START_S = 0.5
SILENT_AT_FIRST = ("probe", "load")

SIGNALS = {
    "-HUP": signal.SIGHUP,
    "-USR1": signal.SIGUSR1,
    "-INT": signal.SIGINT,
    "-TERM": signal.SIGTERM,
    "-KILL": signal.SIGKILL,
}
#: As on a terminal of 80 columns without colours.
ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "COLUMNS": "80",
    "NO_COLOR": "1",
    "TERM": "dumb",
}

#: Lines that are printed or not, as the machine is busy.
UNSETTLED = ("the generator had no time to spare",)

#: What prints more than its first sentence, and what it prints before that.
DOCTOR = "$ python -m lab doctor "
_PROGRESS = re.compile(r"^ +\d+ s  | is looked at for about ")

_NUMBER = re.compile(r"\d+(?:[.,\u2009\u202f]\d+)*(?:e[-+]?\d+)?")


class TranscriptError(Exception):
    """A transcript cannot be run; the message is one line."""


@dataclass
class Section:
    """A piece of one terminal: its title and the commands given there."""

    title: str
    commands: list[str] = field(default_factory=list)
    #: The numbers of those that have printed a line before the next one was given.
    spoke: set[int] = field(default_factory=set)


def parse(text: str) -> list[Section]:
    """The terminals and their commands, without the output but for who spoke."""
    sections: list[Section] = []
    for line in text.splitlines():
        if line.startswith("# "):
            sections.append(Section(line))
        elif line.startswith("$ "):
            if not sections:
                raise TranscriptError("the first line must be a title, `# terminal 1`")
            sections[-1].commands.append(line[2:])
        elif sections and sections[-1].commands:
            sections[-1].spoke.add(len(sections[-1].commands) - 1)
    return sections


class Process:
    """A command that runs, and the lines that it prints. Killed with its context."""

    def __init__(
        self, argv: Sequence[str], deadline: float, folder: Path = ROOT
    ) -> None:
        self._deadline = deadline
        self._lines: list[str] = []
        self._given = 0
        self._ended = False
        self.ended_at = 0.0  # on the monotonic clock
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A group of its own: Ctrl-C is for the lab, and children end with it.
            process_group=0,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill_the_rest()
        self._process.wait()
        self._reader.join(STOP_LIMIT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def new_lines(self, most: int | None = None) -> list[str]:
        """Those not given yet, or the first of them."""
        with self._news:
            new = self._lines[self._given :][:most]
            self._given += len(new)
        return new

    def next_line(self, limit_s: float = LIMIT_S) -> list[str]:
        """One, as soon as there is one; none at the end, or when the limit is over."""
        self.wait_for_line(limit_s)
        return self.new_lines(1)

    def wait_for_line(self, limit_s: float = LIMIT_S) -> None:
        """Return when a line is there, at the end, or when the limit is over."""
        with self._news:
            self._news.wait_for(
                lambda: self._ended or len(self._lines) > self._given,
                min(limit_s, self._deadline - time.monotonic()),
            )

    def last_lines(self) -> list[str]:
        """All that are left, once the command has ended. Raises TranscriptError."""
        with self._news:
            left = self._deadline - time.monotonic()
            if not self._news.wait_for(lambda: self._ended, left):
                raise TranscriptError(f"not finished after {LIMIT_S:.0f} s")
        return self.new_lines()

    def interrupt(self) -> None:
        """As Ctrl-C does; raises TranscriptError if it does not end."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise TranscriptError("the server does not stop on Ctrl-C") from None
        self._kill_the_rest()

    def _kill_the_rest(self) -> None:
        """Of the command's group: what it has left behind could hold its output."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self.ended_at = time.monotonic()
            self._ended = True
            self._news.notify_all()


class Run:
    """One transcript being run."""

    def __init__(self, stack: contextlib.ExitStack, server_folder: Path) -> None:
        self._stack = stack
        self._server_folder = server_folder
        self._deadline = time.monotonic() + LIMIT_S
        self._server: Process | None = None
        self._port = WRITTEN_PORT
        self._background: list[Process] = []

    def section(self, section: Section) -> Iterator[str]:
        yield section.title
        if not section.commands:
            yield from self._server_says()
        for number, command in enumerate(section.commands):
            if command.startswith(("kill ", "pkill ")):
                yield self._kill(command)
            else:
                output = self._output(command, number in section.spoke)
                yield f"$ {self._typed(command)}"
                yield from output
        yield from self._rest()

    def stop(self) -> None:
        if self._server:
            self._server.interrupt()
            if rest := self._server.last_lines():
                raise TranscriptError(f"the server has more to say: {rest[0]}")

    def _output(self, command: str, speaks: bool) -> list[str]:
        in_background = command.endswith("&")
        match shlex.split(command.removesuffix("&"), comments=True):
            case ["pgrep", "-f", _] | ["pgrep", "-o", "-f", _]:
                return [str(self._running_server().pid)]
            case ["pgrep", "-P", _]:
                return [*self._rest(), *(str(child.pid) for child in self._children())]
            case ["python", "-m", module, *rest] if module.startswith("steps."):
                return self._start_server([module, *rest])
            case ["python", "-m", "lab", *rest]:
                process = self._start(["lab", *rest])
                if in_background:
                    self._background.append(process)
                    waits = rest[0] in SILENT_AT_FIRST and not speaks
                    limit_s = HEAD_START_S if waits else LIMIT_S
                    return self._told(process.next_line(limit_s))
                printed = process.last_lines()
                return [*self._rest(), *self._told(printed)]
        raise TranscriptError(f"not a command for a transcript: {command}")

    def _rest(self) -> list[str]:
        """What is still to come from the commands in the background."""
        lines = {process: process.last_lines() for process in self._background}
        self._background.clear()
        in_order = sorted(lines, key=lambda process: process.ended_at)
        return self._told([line for process in in_order for line in lines[process]])

    def _start_server(self, arguments: Sequence[str]) -> list[str]:
        self._server = self._start([*arguments, "--port", "0"], self._server_folder)
        lines = self._server.next_line()
        match = re.search(r"http://\S+:(\d+)", lines[0] if lines else "")
        if not match:
            said = " ".join([*lines, *self._server.last_lines()])
            raise TranscriptError(f"the server did not start: {said}")
        self._port = int(match[1])
        return self._told(lines)

    def _kill(self, command: str) -> str:
        """Send the signal to the server; the command as it would be typed."""
        match command.split():
            case ["kill", name, _] | ["pkill", name, "-f", _] if name in SIGNALS:
                server = self._running_server()
                os.kill(server.pid, SIGNALS[name])
                if name not in ("-HUP", "-KILL"):  # to which there is nothing to say
                    # Of two signals, a process may take the later one first. Who is
                    # to end says nothing, perhaps, and may take its time.
                    server.wait_for_line(HEAD_START_S if name == "-TERM" else LIMIT_S)
                return f"$ {self._typed(command)}"
            case ["pkill", "-KILL", "-o", "-P", _]:
                self._children()[0].kill()
                return f"$ {self._typed(command)}"
        raise TranscriptError(f"not a command for a transcript: {command}")

    def _typed(self, command: str) -> str:
        """With the server's process number, where one is asked for."""
        names_it = command.startswith(("kill ", "pkill ", "pgrep -P "))
        if not names_it:
            return command
        return re.sub(r"\b\d+\b", str(self._running_server().pid), command)

    def _children(self) -> list[psutil.Process]:
        """What the server has started, the oldest first."""
        children = psutil.Process(self._running_server().pid).children()
        return sorted(children, key=lambda child: (child.create_time(), child.pid))

    def _server_says(self) -> list[str]:
        server = self._running_server()
        lines = server.next_line()
        time.sleep(SETTLE_S)
        return self._told([*lines, *server.new_lines()])

    def _running_server(self) -> Process:
        if self._server is None:
            raise TranscriptError("there is no server yet")
        return self._server

    def _start(self, arguments: Sequence[str], folder: Path = ROOT) -> Process:
        written, used = f":{WRITTEN_PORT}", f":{self._port}"
        argv = [argument.replace(written, used) for argument in arguments]
        process = Process([sys.executable, "-m", *argv], self._deadline, folder)
        return self._stack.enter_context(process)

    def _told(self, lines: Sequence[str]) -> list[str]:
        """What was printed, with the port that is written."""
        used = re.compile(rf"(?<=127\.0\.0\.1[: ]){self._port}\b")
        return [used.sub(str(WRITTEN_PORT), line) for line in lines]


def capture(text: str) -> str:
    """Run the transcript's commands, and give it back with what they print now."""
    folder = ROOT
    lines: list[str] = []
    with contextlib.ExitStack() as stack:
        first = text.partition("\n")[0]
        if first.startswith(IS_VARIANT):
            lines.append(first)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            variant(first.removeprefix(IS_VARIANT)).copy_steps(ROOT, folder)
        run = Run(stack, folder)
        lines += [line for section in parse(text) for line in run.section(section)]
        run.stop()
    return "".join(f"{line}\n" for line in lines)


def difference(written: str, now: str) -> str | None:
    """Where two transcripts differ in more than digits and widths, for a message."""
    pairs = zip_longest(_settled(written), _settled(now), fillvalue="(nothing)")
    for number, (old, new) in enumerate(pairs, start=1):
        if _shape(old) != _shape(new):
            return f"line {number} is written as\n    {old}\nand is now\n    {new}"
    return None


def _settled(text: str) -> list[str]:
    """The lines that have to be the same.

    Of what the doctor prints that is the first sentence: the rest has more or less in
    it on a machine that is busy, and is wrapped where its numbers have it.
    """
    lines: list[str] = []
    is_doctor = is_said = False
    for line in text.splitlines():
        if line.startswith(("# ", "$ ")):
            is_doctor, is_said = line.startswith(DOCTOR), False
        elif is_doctor:
            is_progress = _PROGRESS.search(line)
            if is_said or is_progress:
                continue
            if line and not lines[-1].startswith(DOCTOR):
                lines[-1] += f" {line}"
                continue
            is_said = not line
        if not line.startswith(UNSETTLED):
            lines.append(line)
    return lines


def _shape(line: str) -> str:
    return " ".join(_NUMBER.sub("N", line).split())


def files(chapters: Sequence[str] = ()) -> list[Path]:
    """The transcripts, or those of chapters such as "03"."""
    return [
        path
        for path in sorted(TRANSCRIPTS.glob("[0-9][0-9]-*.txt"))
        if not chapters or path.name.partition("-")[0] in chapters
    ]


def check(path: Path) -> str | None:
    """Run a transcript; what is wrong with it, if anything is."""
    written = path.read_text(encoding="utf-8")
    hurried = written
    for pattern, enough in HURRIED.items():
        hurried = re.sub(pattern, enough, hurried)
    try:
        found = difference(written, capture(hurried))
    except TranscriptError as error:
        found = str(error)
    return f"{path.relative_to(TRANSCRIPTS.parent)}: {found}" if found else None


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m book transcripts",
        description="Run the commands in docs/transcripts: do they print what it says?",
    )
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="such as 03")
    parser.add_argument(
        "--capture", action="store_true", help="write down what they print now"
    )
    options = parser.parse_args(argv)
    chosen = files(options.chapters)
    if not chosen:
        print("no such transcript in docs/transcripts", file=sys.stderr)
        return 1
    if options.capture:
        return _capture_all(chosen)
    with ThreadPoolExecutor() as pool:
        wrong = [found for found in pool.map(check, chosen) if found]
    print("\n".join(wrong) or f"{len(chosen)} transcripts are as they should be")
    return 1 if wrong else 0


def _capture_all(chosen: Sequence[Path]) -> int:
    for path in chosen:
        try:
            text = capture(path.read_text(encoding="utf-8"))
        except TranscriptError as error:
            print(f"{path.relative_to(ROOT)}: {error}", file=sys.stderr)
            return 1
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
