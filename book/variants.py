"""Steps with a mistake in them, for the chapters' puzzles: which line is missing?

A variant is a step's own file with a piece of it replaced, so it is as the step is but
for that. `code("steps/step09/server.py", "serve", variant="09-no-flush")` shows it, and
a transcript whose first line is `% 09-no-flush` runs a copy of the steps with it: what
the page prints is what the mistake does.
"""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

from book.drawn import BookError
from book.listing import read_source

#: A transcript's line that begins with this names the variant that it runs.
IS_VARIANT = "% "


@dataclass(frozen=True)
class Variant:
    """old: stands once in the file; new: what stands in its place.

    Both are written without the indentation of old's first line.
    """

    file: str
    old: str
    new: str

    def of(self, source: str) -> str:
        """The step's source with the mistake in it. Raises BookError."""
        lines = source.splitlines(keepends=True)
        old = self.old.splitlines()
        found = [
            n
            for n in range(len(lines) - len(old) + 1)
            if textwrap.dedent("".join(lines[n : n + len(old)])).splitlines() == old
        ]
        if len(found) != 1:
            raise BookError(f"{self.file}: found {len(found)} times: {old[0]}")
        first = lines[found[0]]
        indent = first[: len(first) - len(first.lstrip())]
        lines[found[0] : found[0] + len(old)] = textwrap.indent(self.new, indent)
        return "".join(lines)

    def copy_steps(self, root: Path, folder: Path) -> None:
        """Put all steps into a folder, with the mistake in one of them."""
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / "steps", folder / "steps", ignore=ignored)
        path = folder / self.file
        path.write_text(self.of(read_source(path)), encoding="utf-8")


VARIANTS = {
    # What is ready to be written is not written.
    "09-no-flush": Variant(
        "steps/step09/server.py",
        old=(
            "connection.flush()\n"
            "# If the kernel is full, we hear of it when there is room.\n"
        ),
        new="# If the kernel is full, we hear of it when there is room.\n",
    ),
    # Requests are taken once, and answers are sent once.
    "09-taken-once": Variant(
        "steps/step09/server.py",
        old=(
            "while connection.has_input and not connection.unsent:\n"
            "    self._take(connection)\n"
            "    if not connection.unsent:\n"
            "        break  # no request is whole\n"
            "    connection.flush()\n"
        ),
        new="if not connection.unsent:\n"
        "    self._take(connection)\n"
        "    connection.flush()\n",
    ),
    # The result is there, and the loop is not told.
    "10-not-woken": Variant(
        "steps/step10/workers.py",
        old=(
            "with self._lock:\n"
            "    self._results.append((owner, request, result))\n"
            "    sleeps, self._loop_sleeps = self._loop_sleeps, False\n"
            "if sleeps:\n"
            "    self.wake_pipe.wake()\n"
        ),
        new="with self._lock:\n    self._results.append((owner, request, result))\n",
    ),
    # A request that is answered in the loop begins no new phase.
    "11-same-phase": Variant(
        "steps/step11/server.py",
        old="connection.phase = None  # what follows has its own time\n",
        new="",
    ),
    # Who is late is asked by a clock that the selector has not seen.
    "11-late-now": Variant(
        "steps/step11/server.py",
        old="self._expire(looked)\n",
        new="self._expire(self._clock())\n",
    ),
    # The listener is closed with those who wait in its queue.
    "12-queue-reset": Variant(
        "steps/step12/server.py",
        old=(
            "while self._accept_some():  "
            "# to close the listener would reset those that wait\n"
            "    pass\n"
        ),
        new="",
    ),
    # Nobody asks for the second piece of an answer.
    "13-one-piece": Variant(
        "steps/step13/server.py",
        old=(
            "if wait is FOR_ANSWER and connection.stream is not None:\n"
            "    self._watch(connection, selectors.EVENT_WRITE)  # for its next piece\n"
        ),
        new="",
    ),
    # A process keeps what it inherits, the supervisor's end of its own channel as well.
    "14-inherited": Variant(
        "steps/step14/process.py",
        old="for each in (ours, *not_its_own):\n    each.close()\n",
        new="",
    ),
    # The generator is made, and nobody runs it.
    "15-not-awaited": Variant(
        "steps/step15/by_hand.py",
        old="yield from send_all(loop, sock, data)\n",
        new="send_all(loop, sock, data)\n",
    ),
}


def variant(name: str) -> Variant:
    found = VARIANTS.get(name)
    if found is None:
        raise BookError(f"no variant {name!r}: {', '.join(VARIANTS)}")
    return found
