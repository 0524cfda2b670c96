"""Checks chapters/02-four-workers/exercise.py.

The starter is told: An exception that leaves the loop ends the thread
"""

import queue
import sys
import threading

from workshop import Answer, check, within

ENDED = (
    "An exception that leaves the loop ends the thread. Four such requests end four "
    "workers: the server goes on accepting clients, and nobody serves them."
)
OPEN = (
    "Nobody else closes this connection. Its client waits for an end that does not "
    "come, and its descriptor stays in use; when none is left, nobody can connect."
)
TWICE = (
    "A connection is closed once. What is closed a second time may be another client's "
    "by then, as the kernel gives a free descriptor to the next who connects."
)
ORDER = (
    "A connection is handled, then closed; then comes the next. The None is no "
    "connection: it ends the worker."
)
GONE = (
    "The worker has returned, and somebody is still to be served. Only a None ends a "
    "worker: no error does, and no connection, whatever its bool() says."
)
ELSEWHERE = (
    "The pool has as many threads as were asked for, and each is a worker. One that "
    "gives its job to another thread is ready for the next at once: with a thousand "
    "clients there are a thousand threads, and nothing that limits them."
)
#: A while in which the queue is empty; then somebody puts in what follows.
LULL = "a lull"
SLEEPS = "sleeps, as nobody comes"


class Scene:
    """A worker in a thread of its own, its queue, and a diary of what it does.

    `jobs`: connections, None, LULL, or an exception, which get() raises then. A worker
    that would wait for ever, or does not come to an end, is stopped.
    """

    def __init__(self, *jobs: object, reporting: BaseException | None = None) -> None:
        self.jobs = list(jobs)
        self.connections = [job for job in jobs if isinstance(job, Connection)]
        for connection in self.connections:
            connection.scene = self
        self.reporting = reporting
        self.reported: list[BaseException] = []
        self.raised: BaseException | None = None
        self.diary: list[str] = []
        self.polls = 0
        self.over = threading.Event()
        self.thread: threading.Thread | None = None
        #: Something was done in another thread than the worker's.
        self.elsewhere = False

    # -- the queue

    def get(self, block: bool = True, timeout: float | None = None) -> object:
        waits = block and timeout is None
        if not waits and self.empty():
            raise queue.Empty
        while self.jobs[:1] == [LULL]:
            self.jobs.pop(0)
            self.note(SLEEPS)
        if not self.jobs:
            self.note("waits for one more job", last=True)
        job = self.jobs[0]
        if isinstance(job, BaseException):
            self.note(f"get() raises {job!r}")
            raise job
        return self.jobs.pop(0)

    def get_nowait(self) -> object:
        return self.get(block=False)

    def put(self, job: object) -> None:
        self.note(f"put({job})")
        self.jobs.append(job)

    def empty(self) -> bool:
        if self.jobs[:1] == [LULL]:
            self.polls += 1
            if self.polls < 10:
                return True
            self.jobs.pop(0)
        if not self.jobs:
            self.note("looks into the empty queue")
        return not self.jobs

    def qsize(self) -> int:
        return 0 if self.empty() else len(self.jobs)

    # -- what else the worker is given

    def handle(self, connection: object) -> None:
        self.note(f"handle({connection})")
        if isinstance(connection, Connection) and connection.handling:
            raise connection.handling

    def report(self, error: BaseException) -> None:
        self.reported.append(error)
        self.note(f"report({error!r})")
        if self.reporting:
            raise self.reporting

    def note(self, what: str, last: bool = False) -> None:
        if threading.current_thread() is not self.thread:
            self.elsewhere = True
            self.diary.append(f"{what} in another thread")
            return
        if self.over.is_set():
            threading.Event().wait()  # for ever: it catches what should end it
        self.diary.append(what)
        if len(self.diary) == 30:
            self.diary[9:] = ["and so on, without an end"]
            last = True
        if last:
            self.over.set()
            raise SystemExit

    # -- what a check calls

    def play(self, exercise: Answer, called: str) -> None:
        """Let the worker work through its queue."""

        def run() -> None:
            end = "returns"
            try:
                exercise.work(self, self.handle, self.report)
            except BaseException as error:
                end = f"ends with {error!r}"
                if not self.over.is_set():
                    self.raised = error
            if not self.over.is_set():
                self.diary.append(end)
            self.over.set()

        self.thread = threading.Thread(target=run, name="worker", daemon=True)
        before = set(threading.enumerate())
        expected = "that it works through the queue"
        with within(2, exercise, called=called, expected=expected, why=ORDER):
            self.thread.start()
            self.over.wait()
        self.thread.join(0.1)
        for started in set(threading.enumerate()) - before - {self.thread}:
            started.join(1)

    def check_served(self, called: str, ended: str = ENDED) -> None:
        """Each connection was handled, then closed, once; then the worker returned."""
        expected = []
        for connection in self.connections:
            expected += [f"handle({connection})", f"close({connection})"]
        expected.append("returns")
        # Whether an error is reported before the close or after it is left open; what
        # else is done to the queue has checks of its own.
        others = ("report(", "put(", "looks ", "sleeps")
        diary = [what for what in self.diary if not what.startswith(others)]
        closed = [
            diary.count(f"close({connection})") for connection in self.connections
        ]
        handled = [f"handle({connection})" in diary for connection in self.connections]
        if self.elsewhere:
            why = ELSEWHERE
        elif self.raised:
            why = ended
        elif self.diary[-1] == "returns" and not all(handled):
            why = GONE
        elif max(closed) > 1:
            why = TWICE
        elif all(handled) and not all(closed):
            why = OPEN
        else:
            why = ORDER
        check(
            diary == expected,
            called=called,
            came_back=", ".join(self.diary),
            expected=", ".join(expected),
            why=why,
        )

    def check_reported(self, called: str, why: str, *errors: BaseException) -> None:
        """Each of these was reported, once, and nothing else; in whatever order."""
        check(
            sorted(map(id, self.reported)) == sorted(map(id, errors)),
            called=called,
            came_back=", ".join(self.diary),
            expected=" and ".join(f"report({error!r})" for error in errors)
            or "no report",
            why=why,
        )


class Connection:
    """Stands for a client's. Handling it, or closing it, raises what is given here."""

    scene: Scene

    def __init__(
        self,
        name: str,
        handling: BaseException | None = None,
        closing: BaseException | None = None,
    ) -> None:
        self.name = name
        self.handling = handling
        self.closing = closing

    def __str__(self) -> str:
        return self.name

    def close(self) -> None:
        self.scene.note(f"close({self})")
        if self.closing:
            raise self.closing


def test_one_after_another(exercise: Answer) -> None:
    """Each connection is handled, then closed; then comes the next."""
    called = "work() with first, second and None in the queue"
    scene = Scene(Connection("first"), Connection("second"), None)
    scene.play(exercise, called)
    scene.check_served(called, ended=ORDER)
    scene.check_reported(called, "Nothing was wrong here. A false alarm hides others.")


def test_falsy_connection(exercise: Answer) -> None:
    """A connection is served, whatever its bool() says."""

    class Empty(Connection):
        """One that counts the bytes that have come: none so far."""

        def __len__(self) -> int:
            return 0

    called = "work() where bool(first) is False, as its len() is 0"
    scene = Scene(Empty("first"), Connection("second"), None)
    scene.play(exercise, called)
    scene.check_served(called)


def test_handler_raises(exercise: Answer) -> None:
    """An error of a handler harms neither its connection nor the next."""
    called = "work() where handle(first) raises ValueError"
    error = ValueError("no such page")
    scene = Scene(Connection("first", error), Connection("second"), None)
    scene.play(exercise, called)
    scene.check_served(called)


def test_reported(exercise: Answer) -> None:
    """An error of a handler is reported, once, and as it is."""
    called = "work() where handle(first) raises ValueError"
    error = ValueError("no such page")
    scene = Scene(Connection("first", error), Connection("second"), None)
    scene.play(exercise, called)
    why = (
        "report() gets the exception itself, so that a log can show where it came from."
        if scene.reported
        else "An exception that is swallowed leaves a client without an answer, and "
        "nothing in any log that says why."
    )
    if len(scene.reported) > 1:
        why = "One error that is reported twice looks like two."
    scene.check_reported(called, why, error)
    check(
        scene.diary.index(f"report({error!r})") < scene.diary.index("handle(second)"),
        called=called,
        came_back=", ".join(scene.diary),
        expected="the report before handle(second)",
        why="An error is told when it happens. A report that is put off until the "
        "worker ends comes as late as the end of the server.",
    )


def test_close_raises(exercise: Answer) -> None:
    """close() may raise, too, and that is one more error to report."""
    reset, bad = ConnectionResetError("the client is gone"), ValueError("no such page")
    for handling, where in (
        (None, "close() of first raises ConnectionResetError"),
        (bad, "handle(first) raises ValueError and its close() ConnectionResetError"),
    ):
        called = f"work() where {where}"
        scene = Scene(Connection("first", handling, reset), Connection("second"), None)
        scene.play(exercise, called)
        scene.check_served(
            called,
            "close() can fail as well, where the client is gone or bytes were left to "
            "send. Unguarded, it ends the worker, just as a handler would.",
        )
        lost = (
            "The second error has hidden the first. The handler's says what is wrong "
            "with the application; close() says only that the client has left."
        )
        swallowed = "An error of close() is swallowed, or reported twice."
        why = lost if handling and handling not in scene.reported else swallowed
        errors = [error for error in (handling, reset) if error]
        scene.check_reported(called, why, *errors)


def test_reported_at_once(exercise: Answer) -> None:
    """An error is reported before the worker asks for the next job."""
    reset, bad = ConnectionResetError("the client is gone"), ValueError("no such page")
    for first, error, where in (
        (Connection("first", bad), bad, "handle(first) raises ValueError"),
        (
            Connection("first", None, reset),
            reset,
            "close() of first raises ConnectionResetError",
        ),
    ):
        called = f"work() where {where}, and the next client comes after a while"
        scene = Scene(first, LULL, Connection("second"), None)
        scene.play(exercise, called)
        until = "".join(scene.diary).partition(SLEEPS)[0]
        check(
            f"report({error!r})" in until,
            called=called,
            came_back=", ".join(scene.diary),
            expected=f"report({error!r}) before it sleeps",
            why="The worker sleeps in get() with an error that it has not told. While "
            "nobody comes, the log shows nothing; and if get() raises, it never will.",
        )


def test_report_raises(exercise: Answer) -> None:
    """A report that fails does not end the worker."""
    called = "work() where handle(first) raises ValueError and report() raises OSError"
    bad = ValueError("no such page")
    full = OSError("no space left on the disk")
    scene = Scene(Connection("first", bad), Connection("second"), None, reporting=full)
    scene.play(exercise, called)
    scene.check_served(
        called,
        "Now report() has ended the worker. A full disk under the log would end one "
        "worker after another, when clients are still served well.",
    )
    scene.check_reported(
        called,
        "A report that has failed is not tried again, nor is its own error reported: "
        "that would fail as well, or never come to an end.",
        bad,
    )


def test_system_exit(exercise: Answer) -> None:
    """sys.exit() in a handler ends neither the worker nor anything else."""

    class Cancelled(BaseException):
        """As asyncio's CancelledError, which is no Exception either."""

    bad = ValueError("no such page")
    for error in (SystemExit(1), KeyboardInterrupt(), Cancelled()):
        name = type(error).__name__
        for where, first, reporting in (
            ("handle(first)", Connection("first", error), None),
            ("close() of first", Connection("first", None, error), None),
            ("report()", Connection("first", bad), error),
        ):
            scene = Scene(first, Connection("second"), None, reporting=reporting)
            called = f"work() where {where} raises {name}, a BaseException"
            scene.play(exercise, called)
            scene.check_served(
                called,
                f"{name} is no Exception, so `except Exception` lets it through. With "
                "SystemExit a thread ends without a word: after four requests that "
                "call sys.exit() no worker is left, and no log says why.",
            )
            if reporting:
                why = "A report that has failed is not tried again."
                scene.check_reported(called, why, bad)
            else:
                why = f"{name} is swallowed: a client is left without an answer."
                scene.check_reported(called, why, error)


def test_many_jobs(exercise: Answer) -> None:
    """A worker serves more clients than Python lets calls stand within one another."""
    many = sys.getrecursionlimit() + 100
    closed: list[str] = []
    jobs: queue.SimpleQueue[object] = queue.SimpleQueue()

    class Client(Connection):
        def close(self) -> None:
            closed.append(self.name)

    for number in range(many):
        jobs.put(Client(str(number)))
    jobs.put(None)
    called = f"work() with {many} connections and then None in the queue"
    expected = f"close() of {many} connections, and it returns"
    error: BaseException | None = None
    with within(2, exercise, called=called, expected=expected, why=ORDER):
        try:
            exercise.work(jobs, lambda connection: None, lambda error: None)
        except RecursionError as recursion:
            error = recursion
    check(
        error is None and len(closed) == many,
        called=called,
        came_back=error or f"close() of {len(closed)} connections",
        expected=expected,
        why="A function that calls itself for the next job comes no further than "
        "Python lets calls stand within one another: the worker ends after so many "
        "clients. A loop goes on for as long as the server runs.",
    )


def test_ends_alone(exercise: Answer) -> None:
    """A None ends one worker, and is not the business of the others."""
    called = "work() with first, None, None and other in the queue"
    other = Connection("other")
    scene = Scene(Connection("first"), None, None, other)
    scene.connections.remove(other)
    scene.play(exercise, called)
    if "put(None)" in scene.diary:
        why = (
            "Each worker has a None of its own. One that is put back is one too many: "
            "it ends the next who finds it, perhaps a worker started later."
        )
    elif "returns" in scene.diary:
        why = (
            "The second None is another worker's. Taken from the queue by this one, it "
            "leaves the other waiting for ever, and with it whoever joins its thread."
        )
    else:
        why = "A None ends the worker. One that goes on cannot be stopped."
    check(
        scene.jobs == [None, other] and scene.diary[-1] == "returns",
        called=called,
        came_back=", ".join(scene.diary) + f"; {len(scene.jobs)} left in the queue",
        expected="handle(first), close(first), returns; 2 left in the queue",
        why=why,
    )


def test_sleeps(exercise: Answer) -> None:
    """A worker with nothing to do sleeps until there is something."""
    called = "work() where the queue is empty for a while between first and second"
    scene = Scene(Connection("first"), LULL, Connection("second"), LULL, None)
    scene.play(exercise, called)
    check(
        "handle(second)" in scene.diary,
        called=called,
        came_back=", ".join(scene.diary),
        expected="handle(second), after a while",
        why="An empty queue is not the end: the next client has not come yet. Only a "
        "None ends a worker.",
    )
    check(
        not scene.polls,
        called=called,
        came_back=f"{scene.polls} looks into the empty queue",
        expected="none: it sleeps in get(), and put() wakes it",
        why="Looking again and again takes processor time from those who work, or, "
        "with pauses, lets the next client wait for the end of a pause.",
    )
    scene.check_served(called)


def test_error_of_the_queue(exercise: Answer) -> None:
    """What get() raises ends the worker."""

    class ShutDown(Exception):  # noqa: N818 - as it is called in queue
        """As Python 3.13 has it, for a queue that was shut down."""

    error = ShutDown()
    called = "work() where the second get() raises ShutDown, now and ever after"
    scene = Scene(Connection("first"), error)
    scene.play(exercise, called)
    check(
        scene.raised is error and not scene.reported,
        called=called,
        came_back=", ".join(scene.diary),
        expected="handle(first), close(first), get() raises it, ends with it",
        why="That is no handler's error. Who catches it along with those asks again, "
        "and again, and turns for ever. Who returns hides what has happened.",
    )


def test_four_workers(exercise: Answer) -> None:
    """Four workers serve four clients at the same time, from one queue."""
    together = threading.Barrier(5)  # the four, and this check
    closed: list[str] = []
    jobs: queue.SimpleQueue[object] = queue.SimpleQueue()

    class Client(Connection):
        def close(self) -> None:
            closed.append(self.name)

    def handle(_client: object) -> None:
        together.wait()
        raise ValueError("no such page")

    def run() -> None:
        exercise.work(jobs, handle, lambda error: None)

    threads = [
        threading.Thread(target=run, name=f"worker-{n}", daemon=True)
        for n in range(1, 5)
    ]
    for name in "abcd":
        jobs.put(Client(name))
    called = "work() in four threads, with four connections and then four None's"
    try:
        with within(
            2,
            exercise,
            called=called,
            expected="four calls of handle() at the same time",
            why="Something lets one worker into handle() at a time, a lock perhaps. "
            "Then a handler that waits for a database keeps all the others waiting.",
        ):
            for thread in threads:
                thread.start()
            together.wait()
        with within(
            2,
            exercise,
            called=called,
            expected="that all four threads end",
            why="Four None's are for four workers: each takes one, and ends.",
        ):
            for _ in threads:
                jobs.put(None)
            for thread in threads:
                thread.join()
    finally:
        together.abort()
        for _ in range(8):
            jobs.put(None)
    check(
        sorted(closed) == list("abcd"),
        called=called,
        came_back=f"close() of {', '.join(closed) or 'none'}",
        expected="close() of a, b, c and d, once each",
        why="Workers run at the same time, so none may keep its connection where "
        "another would overwrite it.",
    )
