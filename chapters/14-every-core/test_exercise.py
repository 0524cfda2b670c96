"""Checks chapters/14-every-core/exercise.py.

The starter is told: That is a crash loop

There are no processes here. A Machine stands for the operating system: the checks say
who dies, and turn its clock.
"""

import time
from collections import deque
from pathlib import Path
from typing import Any
from unittest import mock

from workshop import Answer, check, within
from workshop.answer import line_in

#: As in exercise.py.
STEADY_S = 8.0
LONGEST_PAUSE_S = 10.0
MAX_QUICK_DEATHS = 7
#: The pid of somebody else's child.
STRANGER = 77


class Machine:
    """The system that a supervisor runs on, and the loop that calls the supervisor."""

    def __init__(self, exercise: Answer, slots: int, clock_s: float = 0.5) -> None:
        self.exercise = exercise
        self.clock_s = clock_s
        self.slot_of: dict[int, int] = {}  # by pid: those that run
        self.dead: deque[int] = deque()  # and not reaped yet
        self.started: list[int] = []  # the slots
        self.asked_to_end: list[int] = []  # the pids
        self.strangers_asked: list[int] = []
        self.slept_s = 0.0
        self.events = [f"{slots} slot{'s' if slots > 1 else ''}"]
        self.supervisor: Any = exercise.Supervisor(slots, self)

    # What the supervisor calls.

    def now(self) -> float:
        return self.clock_s

    def spawn(self, slot: int) -> int:
        self.started.append(slot)
        # The lowest that is free, so a pid is soon used again.
        pid = next(n for n in range(100, 999) if n not in {*self.slot_of, *self.dead})
        self.slot_of[pid] = slot
        return pid

    def reap(self) -> int | None:
        return self.dead.popleft() if self.dead else None

    def terminate(self, pid: int) -> None:
        known = pid in self.slot_of or pid in self.dead
        (self.asked_to_end if known else self.strangers_asked).append(pid)

    def sleep(self, seconds: float) -> None:
        """In place of time.sleep()."""
        self.slept_s += seconds
        self.clock_s += seconds

    # What a check calls.

    @property
    def story(self) -> str:
        """What has happened, or the end of it."""
        left_out = ["…"] if len(self.events) > 9 else []
        return "; ".join([*self.events[:1], *left_out, *self.events[1:][-8:]])

    def passes(self, seconds: float) -> None:
        self.clock_s += seconds
        self.events.append(f"{seconds:g} s pass")

    def dies(self, slot: int) -> None:
        pid = next((pid for pid, of in self.slot_of.items() if of == slot), None)
        check(
            pid is not None,
            called=self.story,
            came_back=f"no process runs in slot {slot}",
            expected="one does",
            why="A slot that stays without a process serves nobody.",
        )
        if pid is not None:
            del self.slot_of[pid]
            self.dead.append(pid)
        self.events.append(f"that of slot {slot} dies")

    def stranger_dies(self) -> None:
        self.dead.append(STRANGER)
        self.events.append("somebody else's child dies")

    def call(self, name: str, why: str) -> object:
        """Call a method of the supervisor, and see that it does not fail or sleep."""
        self.events.append(f"{name}()")
        module = vars(self.exercise)
        slept_by = {n: self.sleep for n, value in module.items() if value is time.sleep}
        expected = "an answer at once"
        with (
            within(2, self.exercise, called=self.story, expected=expected, why=why),
            mock.patch.dict(module, slept_by),
            mock.patch.object(time, "sleep", self.sleep),
        ):
            try:
                came_back: object = getattr(self.supervisor, name)()
            except Exception as error:
                where = line_in(Path(str(self.exercise.__file__)), error.__traceback__)
                came_back = f"{type(error).__name__}: {error}\n{where}"
                check(
                    False,
                    called=self.story,
                    came_back=came_back,
                    expected="no exception",
                    why=why,
                )
        check(
            not self.slept_s,
            called=self.story,
            came_back=f"nothing, for {self.slept_s:g} s in sleep()",
            expected="an answer at once, which says how long the loop may wait",
            why="A supervisor that sleeps in a call hears no signal: it sees no other "
            "death, and cannot be stopped. It is the loop that waits.",
        )
        return came_back

    def tick(self, *starts: int, returns: float | None = None, why: str) -> None:
        """Call tick(), which starts a process in these slots, and returns that."""
        before = len(self.started)
        came_back = self.call("tick", why)
        started = sorted(self.started[before:])
        check(
            started == sorted(starts),
            called=self.story,
            came_back=f"started in slots {started}",
            expected=f"started in slots {sorted(starts)}",
            why=why,
        )
        check(
            came_back == returns,
            called=self.story,
            came_back=came_back,
            expected=returns,
            why=NO_START_TO_COME if returns is None and why is STARTS else why,
        )

    def quick_death(
        self, slot: int, pause: float, why: str, lived: float = 0.25
    ) -> None:
        """One, the pause for it, and the next start."""
        self.passes(lived)
        self.dies(slot)
        self.tick(returns=pause, why=why)
        self.passes(pause)
        self.tick(slot, why=why)

    def check_that(self, name: str, expected: bool, why: str) -> None:
        came_back = getattr(self.supervisor, name)
        called = f"{name} after: {self.story}"
        check(
            came_back is expected,
            called=called,
            came_back=came_back,
            expected=expected,
            why=why,
        )

    def check_not_yet(self, number: int) -> None:
        """It has not given up at so many quick deaths in a row."""
        why = (
            f"This is quick death number {number} in a row, and too early: at number "
            f"{MAX_QUICK_DEATHS} it gives up, not before."
        )
        self.check_that("gave_up", False, why)

    def check_asked(self, slots: list[int], why: str) -> None:
        """Each process that runs, in these slots, was asked to end, and nobody else."""
        check(
            not self.strangers_asked,
            called=self.story,
            came_back=f"terminate({self.strangers_asked and self.strangers_asked[0]})",
            expected="no terminate() of what has been reaped",
            why="That process has been reaped, and its pid is free. Who has the number "
            "now is a stranger, and is killed.",
        )
        asked = sorted(self.slot_of.get(pid, -1) for pid in self.asked_to_end)
        check(
            asked == slots,
            called=self.story,
            came_back=f"those in slots {asked} are asked to end",
            expected=f"those in slots {slots}, each once",
            why=why,
        )


NO_START_TO_COME = (
    "No start is to come, so only a signal will bring news: None lets the loop wait "
    "for one, however long. Any number wakes it for nothing."
)
STARTS = "A slot without a process serves nobody."
STEADY = (
    "It has lived for long enough, so the next one will, too. Each second without it "
    "is a second in which its clients wait."
)
CRASH_LOOP = (
    "That is a crash loop. A process that dies as soon as it is started, as one whose "
    "database is gone, would be started some hundred times a second: it takes a core "
    "from those that work, and fills the log."
)
DUE = (
    "The loop may wake early, for another death. Nothing is due before the pause is "
    "over, and the loop has to know how many seconds are left. Told too few, it wakes "
    "for nothing; told too many, or none, a slot stays empty."
)
OVER = "The pause is over, and the slot serves nobody until the next one is started."


def test_starts(exercise: Answer) -> None:
    """The first tick starts a process in each slot (rule 1)."""
    machine = Machine(exercise, 3)
    machine.tick(0, 1, 2, why=STARTS)
    check(
        machine.started == [0, 1, 2],
        called=machine.story,
        came_back=machine.started,
        expected=[0, 1, 2],
        why="The contract says: from 0 on. A log in order is read at a glance.",
    )
    machine.passes(1)
    machine.tick(why="All slots have a process: one more would have no work.")


def test_steady(exercise: Answer) -> None:
    """One that has lived for STEADY_S is replaced at once (rule 2)."""
    machine = Machine(exercise, 2)
    machine.tick(0, 1, why=STARTS)
    for lived in (STEADY_S, STEADY_S, 86_400):
        machine.passes(lived)
        machine.dies(1)
        machine.tick(1, why=STEADY)
    machine.passes(STEADY_S)
    machine.dies(0)
    machine.tick(
        0,
        why="Slot 0 is a slot like the others. Its number is false to Python, so where "
        "a slot is looked at with `if`, it is taken for none. Ask `is None`.",
    )


def test_crash_loop(exercise: Answer) -> None:
    """One that dies quickly is not replaced at once (rule 3)."""
    machine = Machine(exercise, 1)
    machine.tick(0, why=STARTS)
    while machine.slot_of and len(machine.started) < 50:
        machine.dies(0)
        machine.call("tick", CRASH_LOOP)
    check(
        machine.started == [0],
        called="one slot; each process dies as soon as it is started, and then tick()",
        came_back=f"{len(machine.started)} starts at one and the same time",
        expected="one start, and then a pause",
        why=CRASH_LOOP,
    )


def test_nearly_steady(exercise: Answer) -> None:
    """One that has lived for a little less than STEADY_S was a quick death (rule 3)."""
    for lived in (STEADY_S - 0.25, STEADY_S / 2):
        machine = Machine(exercise, 1)
        machine.tick(0, why=STARTS)
        machine.passes(lived)
        machine.dies(0)
        machine.tick(
            returns=1.0,
            why=f"It has lived for {lived:g} s. From {STEADY_S:g} s on a life is long "
            "enough, and any shorter one was a quick death, which has its pause.",
        )


def test_due(exercise: Answer) -> None:
    """The next one is started when the pause is over, not before (rule 3)."""
    machine = Machine(exercise, 2)
    machine.tick(0, 1, why=STARTS)
    machine.passes(STEADY_S - 0.25)
    machine.dies(1)
    machine.tick(returns=1.0, why=DUE)
    machine.passes(0.25)
    machine.tick(returns=0.75, why=DUE)
    machine.passes(0.25)
    machine.dies(0)
    machine.tick(0, returns=0.5, why=DUE)
    machine.passes(0.25)
    machine.dies(0)
    machine.tick(returns=0.25, why=DUE)
    machine.passes(0.25)
    machine.tick(1, returns=0.75, why=DUE)
    machine.passes(1)  # later than it was due
    machine.tick(0, why=DUE)


def test_doubles(exercise: Answer) -> None:
    """The pause doubles with each quick death in a row (rule 3)."""
    why = (
        "What it lacks may be back in a second, or in an hour. A pause that doubles is "
        "short for the one and costs little for the other."
    )
    machine = Machine(exercise, 1)
    machine.tick(0, why=STARTS)
    for pause in (1.0, 2.0, 4.0, 8.0):
        machine.quick_death(0, pause, why)
    row = (
        "A life that is shorter than STEADY_S goes on with the row, whatever it is "
        "compared with otherwise: the life before it, or its pause. Only one that has "
        "lived for STEADY_S ends the row."
    )
    for first, other in ((0.25, 4.0), (0.25, 6.0), (0.25, 7.75), (6.0, 0.25)):
        machine = Machine(exercise, 1)
        machine.tick(0, why=STARTS)
        for pause, lived in ((1.0, first), (2.0, other), (4.0, first), (8.0, other)):
            machine.quick_death(0, pause, row, lived)


def test_longest(exercise: Answer) -> None:
    """The pause is never longer than LONGEST_PAUSE_S (rule 3)."""
    machine = Machine(exercise, 1)
    machine.tick(0, why=STARTS)
    for number in range(1, MAX_QUICK_DEATHS):
        machine.passes(1)
        machine.dies(0)
        pause = machine.call("tick", STARTS)
        machine.check_not_yet(number)
        check(
            isinstance(pause, float | int) and pause <= LONGEST_PAUSE_S,
            called=machine.story,
            came_back=pause,
            expected=f"at most {LONGEST_PAUSE_S:g}, as in each row of deaths",
            why="A pause without a maximum doubles to hours. The database is back, and "
            "nobody serves until somebody looks.",
        )
        if number >= 5:
            check(
                pause == LONGEST_PAUSE_S,
                called=machine.story,
                came_back=pause,
                expected=LONGEST_PAUSE_S,
                why="The longest pause may be used, from the fifth quick death on.",
            )
        machine.passes(LONGEST_PAUSE_S)
        machine.tick(0, why=OVER)


def test_begins_anew(exercise: Answer) -> None:
    """One that has lived for STEADY_S ends the row of quick deaths (rule 4)."""
    why = (
        "It has lived for STEADY_S, so what it died of before is over. A pause that is "
        "never short again makes clients wait for what was mended long ago."
    )
    machine = Machine(exercise, 1)
    machine.tick(0, why=STARTS)
    machine.quick_death(0, 1.0, why)
    machine.quick_death(0, 2.0, why)
    machine.passes(STEADY_S)
    machine.dies(0)
    machine.tick(0, why=STEADY)
    machine.quick_death(0, 1.0, why)


def test_several_at_once(exercise: Answer) -> None:
    """Of several that die at the same time each is seen."""
    why = (
        "One SIGCHLD may stand for several deaths: a signal that waits already is not "
        "kept twice. Who reaps one for each signal loses a slot, and for good."
    )
    machine = Machine(exercise, 3)
    machine.tick(0, 1, 2, why=STARTS)
    machine.passes(100)
    machine.dies(2)
    machine.dies(0)
    machine.tick(0, 2, why=why)
    machine.passes(1)
    for slot in (0, 1, 2):
        machine.dies(slot)
    machine.tick(1, returns=1.0, why=why)
    machine.passes(1)
    machine.tick(0, 2, why=why)


def test_slots_apart(exercise: Answer) -> None:
    """Each slot has its own row of quick deaths (rule 4)."""
    why = (
        "Another slot's process has died of something else. If all slots share one "
        "row, one that cannot live makes the healthy ones wait; and each of them that "
        "lives for long ends the row of the one that cannot."
    )
    machine = Machine(exercise, 2)
    machine.tick(0, 1, why=STARTS)
    machine.quick_death(0, 1.0, why)
    machine.quick_death(0, 2.0, why)
    machine.dies(1)  # it has lived for less than 8 s
    machine.tick(returns=1.0, why=why)
    machine.passes(1)
    machine.tick(1, why=why)
    machine.quick_death(0, 4.0, why)
    machine.passes(8)
    machine.dies(1)
    machine.dies(0)
    machine.tick(0, 1, why=STEADY)


def test_next_start(exercise: Answer) -> None:
    """The seconds are those until the next start, in whichever slot."""
    why = (
        "Two slots are in a pause, and that which begins later ends first. The loop "
        "has to wake for it: who names the seconds of the pause that began first lets "
        "the other slot stay empty."
    )
    machine = Machine(exercise, 2)
    machine.tick(0, 1, why=STARTS)
    machine.quick_death(0, 1.0, why)
    machine.quick_death(0, 2.0, why)
    machine.dies(0)
    machine.tick(returns=4.0, why=why)
    machine.passes(0.5)
    machine.dies(1)
    machine.tick(returns=1.0, why=why)
    machine.passes(1)
    machine.tick(1, returns=2.5, why=why)
    machine.passes(2.5)
    machine.tick(0, why=why)


def test_stranger(exercise: Answer) -> None:
    """Somebody else's child is ignored (rule 7)."""
    why = (
        "A supervisor that is process 1 of a container is given the orphans of all, "
        "and a library may start a child. Their deaths are no deaths of its own; and "
        "behind a stranger there may be one that is."
    )
    machine = Machine(exercise, 2)
    machine.tick(0, 1, why=STARTS)
    for _ in range(2 * MAX_QUICK_DEATHS):
        machine.stranger_dies()
        machine.tick(why=why)
    machine.check_that("gave_up", False, why)
    machine.passes(2)
    machine.stranger_dies()
    machine.dies(1)
    machine.stranger_dies()
    machine.tick(returns=1.0, why=why)


def test_reused_pid(exercise: Answer) -> None:
    """A pid may come back, in another slot (rule 7)."""
    why = (
        "The system gives a pid again once it has been reaped. Here slot 1's process "
        "has the pid that slot 0's had, so a pid that is kept after the death leads to "
        "the wrong slot."
    )
    machine = Machine(exercise, 2)
    machine.tick(0, 1, why=STARTS)
    machine.passes(8)
    machine.dies(0)
    machine.tick(0, why=STEADY)
    machine.passes(2)
    machine.dies(0)
    machine.tick(returns=1.0, why=CRASH_LOOP)
    machine.dies(1)
    machine.tick(1, returns=1.0, why=why)  # with the pid that was slot 0's
    machine.passes(0.5)
    machine.dies(1)
    machine.tick(returns=0.5, why=why)
    machine.passes(0.5)
    machine.tick(0, returns=0.5, why=why)
    machine.passes(0.5)
    machine.tick(1, why=why)


def test_deaths_of_days(exercise: Answer) -> None:
    """Quick deaths not in a row, or not in one slot, are no reason (rule 5)."""
    why = (
        "These deaths are not in a row. Over the days any process dies now and then, "
        "and who counts them all gives up one day, on a server that works."
    )
    machine = Machine(exercise, 1)
    machine.tick(0, why=STARTS)
    for _ in range(2 * MAX_QUICK_DEATHS):
        machine.quick_death(0, 1.0, why)
        machine.check_that("gave_up", False, why)
        machine.passes(86_400)
        machine.dies(0)
        machine.tick(0, why=why)
    machine = Machine(exercise, 2)
    machine.tick(0, 1, why=STARTS)
    for pause in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        machine.passes(2)
        machine.dies(0)
        machine.dies(1)
        machine.tick(returns=pause, why=why)
        machine.check_that("gave_up", False, why)
        machine.passes(pause)
        machine.tick(0, 1, why=why)


def about_to_give_up(exercise: Answer, slots: int) -> Machine:
    """One more quick death in slot 1 would be the last."""
    why = "It is not yet time to give up."
    machine = Machine(exercise, slots)
    machine.tick(*range(slots), why=STARTS)
    for number in range(1, MAX_QUICK_DEATHS):
        machine.quick_death(1, min(2.0 ** (number - 1), LONGEST_PAUSE_S), why)
        machine.check_not_yet(number)
    machine.passes(1)
    return machine


def test_gives_up(exercise: Answer) -> None:
    """After MAX_QUICK_DEATHS in a row it gives up, and ends the others (rule 5)."""
    why = (
        "It will not live, however often it is tried. Somebody has to be told, and a "
        "supervisor that goes on trying looks from outside like one that works."
    )
    left = (
        "A supervisor that gives up and leaves processes behind leaves orphans: they "
        "hold the port, and the next supervisor cannot start."
    )
    machine = about_to_give_up(exercise, 3)
    machine.dies(0)
    machine.tick(0, why=STEADY)
    machine.passes(1)
    machine.dies(0)
    machine.tick(returns=1.0, why=CRASH_LOOP)
    machine.dies(1)
    returned = machine.call("tick", why)
    machine.check_that("gave_up", True, why)
    check(
        returned is None,
        called=machine.story,
        came_back=returned,
        expected=None,
        why="It has given up: no start is to come, whatever was due before.",
    )
    machine.check_asked([2], left)
    machine.check_that("is_over", False, "Slot 2's process has not ended yet.")
    machine.passes(60)
    machine.tick(why="It has given up: what was due before is due no more.")
    machine.call("stop", why)
    machine.check_asked(
        [2], "It has been asked already, and takes a second for another."
    )
    machine.dies(2)
    machine.tick(why="It has given up: a death that it has asked for is no surprise.")
    machine.check_that("is_over", True, "Nobody is left to wait for.")
    machine.check_that("gave_up", True, "That is the exit status.")


def test_gives_up_while_others_begin(exercise: Answer) -> None:
    """What begins in the tick in which it gives up is no orphan (rule 5)."""
    for order in ((0, 1), (1, 0), (0, 1, 2)):
        machine = about_to_give_up(exercise, 3)
        for slot in order:  # those of slots 0 and 2 have lived for long
            machine.dies(slot)
        before = len(machine.started)
        machine.call("tick", STEADY)
        began = sorted(machine.started[before:])
        machine.check_that("gave_up", True, "Slot 1 has died once too often.")
        check(
            order[0] == 0 or not began,
            called=machine.story,
            came_back=f"started in slots {began}, after it had given up",
            expected="no start: slot 1 had died before",
            why="Whoever gives up starts nobody. A death that is seen after it, in the "
            "same loop over the dead, leads to no start.",
        )
        # Whoever has died and has not been reaped may have been asked as well.
        asked = [machine.slot_of.get(pid) for pid in machine.asked_to_end]
        asked_slots = sorted(slot for slot in asked if slot is not None)
        check(
            asked_slots == sorted(machine.slot_of.values()),
            called=machine.story,
            came_back=f"those in slots {asked_slots} are asked to end",
            expected=f"those in slots {sorted(machine.slot_of.values())}, each once",
            why="One is replaced and another is one too many, in the same tick. What "
            "was started a moment ago runs, too: left alone, it is an orphan.",
        )
        for slot in sorted(machine.slot_of.values()):
            machine.dies(slot)
        machine.tick(why="It has given up: it starts nobody.")
        machine.check_that("is_over", True, "Nobody is left to wait for.")


def test_clock_at_zero(exercise: Answer) -> None:
    """What begins at second 0 of the clock begins like any other."""
    why = (
        "The clock's zero means nothing. Where a time is kept, and looked at with "
        "`if`, `or` or `not`, 0.0 is taken for no time at all. What says that there is "
        "none is `None`: ask `is None`."
    )
    for lived in (0.0, 0.25, STEADY_S):
        machine = Machine(exercise, 1, clock_s=0.0)
        machine.tick(0, why=why)
        machine.passes(lived)
        machine.dies(0)
        if lived == STEADY_S:
            machine.tick(0, why=why)
        else:
            machine.tick(returns=1.0, why=why)


def test_stop(exercise: Answer) -> None:
    """After stop() no death is followed by a start (rule 6)."""
    why = (
        "It is stopping: the processes die because they were asked to. If each is "
        "replaced, it never comes to an end."
    )
    machine = about_to_give_up(exercise, 3)
    machine.check_that("is_over", False, "It has not been stopped.")
    machine.dies(2)
    machine.tick(2, why=STEADY)
    machine.dies(2)
    machine.tick(returns=1.0, why=CRASH_LOOP)
    machine.call("stop", why)
    machine.check_asked([0, 1], "Nobody else asks them, and it waits for their end.")
    machine.call("stop", why)
    machine.check_asked([0, 1], "A process may take a second SIGTERM for an order.")
    machine.tick(why=why)
    machine.passes(60)
    machine.tick(why="It is stopping: what was due before is due no more.")
    machine.dies(1)
    machine.tick(why=why)
    machine.check_that("is_over", False, "Slot 0's process has not ended yet.")
    machine.dies(0)
    machine.tick(why=why)
    machine.check_that("is_over", True, "Nobody is left to wait for.")
    machine.check_that("gave_up", False, "It has been stopped, and that is no failure.")


def test_stop_at_a_death(exercise: Answer) -> None:
    """A quick death during the stop is no reason to give up (rule 6)."""
    machine = about_to_give_up(exercise, 2)
    machine.call("stop", "It is asked to end.")
    machine.dies(1)
    why = "It has been stopped: the death is the answer to that, and no failure."
    machine.tick(why=why)
    machine.check_that("gave_up", False, why)
    machine = Machine(exercise, 2)
    machine.call("stop", "It is asked to end before it has begun.")
    machine.tick(why="It has been stopped: it starts nobody.")
    machine.check_that("is_over", True, "There is nobody to wait for.")


def test_not_over_in_a_pause(exercise: Answer) -> None:
    """In a pause no process may run, and it is not over."""
    why = (
        "Nobody has stopped it, and it has not given up: the next start is due. The "
        "loop ends when it is over, so one that says so in a pause serves nobody any "
        "more. That no process runs is half of it."
    )
    for slots in (1, 2):
        machine = Machine(exercise, slots)
        machine.check_that("is_over", False, "It has not begun. " + why)
        machine.tick(*range(slots), why=STARTS)
        machine.passes(2)
        for slot in range(slots):
            machine.dies(slot)
        machine.tick(returns=1.0, why=DUE)
        machine.check_that("is_over", False, why)
        machine.call("stop", "It is asked to end.")
        machine.tick(why="It has been stopped: it starts nobody.")
        machine.check_that("is_over", True, "It has been stopped, and nobody runs.")
