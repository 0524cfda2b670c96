"""Answers in the order of the requests.

Work in this file. `pytest chapters/10-workers-again` checks it.
"""

from collections.abc import Callable

#: The answer to a request whose handler failed.
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class InOrder:
    r"""The requests of one connection that are under way, and their answers.

    A client may send several requests at once, and several workers may have them at the
    same time. Whoever is done first, the answers go out in the order of the requests.

    The loop calls `begin()` and `take()`, in its one thread. Workers call `finish()`
    and `work()`, in threads of their own, at any time, also several at once.

    A request is under way from its `begin()` until `take()` has given its answer; so it
    is under way, too, while its answer waits for an earlier one. Nothing is kept of a
    request that is not under way any more.

    limit: so many requests may be under way, at least 1.
    wake: wakes the loop, which may be asleep. It is called without arguments, in the
        worker's thread, each time that `take()`, which would have given nothing, would
        now give something, and at no other time. Whatever it calls must be able to
        call `take()`, from any thread, and get the answer.

    Example:

        >>> answers = InOrder(limit=2, wake=print)
        >>> first, second = answers.begin(), answers.begin()
        >>> answers.finish(second, b"B")
        >>> answers.take()
        []
        >>> answers.finish(first, b"A")   # and an empty line, for wake() is called

        >>> answers.take()
        [b'A', b'B']
    """

    def __init__(self, limit: int, wake: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._begun = 0
        self._answers: list[bytes] = []

    def begin(self) -> int | None:
        """Take one more request.

        Returns its ticket: a number that no other request of the connection has, nor
        had. Returns None if `limit` requests are under way; then nothing has begun, and
        the loop stops reading until it has taken answers. It does not wait.
        """
        self._begun += 1
        return self._begun

    def finish(self, ticket: int, answer: bytes) -> None:
        """Hand in the answer to a request. It may be empty: b"" is an answer, too.

        Raises ValueError, and changes nothing, if no request with this ticket is under
        way or if it has its answer already.
        """
        # TODO: the answers come out in the order in which they come in, and more is
        # missing: a limit, a wake that is not one too many, and what threads need.
        self._answers.append(answer)
        self._wake()

    def take(self) -> list[bytes]:
        """The answers that may be sent now, in the order of the requests.

        Each is given once. Looks at those that it gives, and at the first that it does
        not give: its cost does not grow with the number of others that wait, which are
        neither copied nor moved.
        """
        answers = self._answers
        self._answers = []
        return answers

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        """Call the handler, and finish the request with what it returns.

        Whatever the handler raises, SystemExit too: FAILED is the answer then, and what
        it raised is raised here, for the worker to log. FAILED wakes the loop like any
        other answer. Handlers of several workers run at the same time.
        """
        self.finish(ticket, handler())
