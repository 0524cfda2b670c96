"""A drain as a state machine: what a server may still do after SIGTERM.

Work in this file. `pytest chapters/12-a-server-to-keep` checks it.
"""

from collections.abc import Callable
from typing import Literal

#: How a drain ends, for the log: only after "drained" nobody was cut off.
End = Literal["drained", "late", "forced"]


class Drain:
    """Is told what happens to a server, and says what the server has to do.

    It has no socket and does not wait. All calls come from the thread of the server's
    loop, and none of them blocks. In each round the loop tells what has happened, which
    may be several things, then asks the questions, and closes what it is told to close.
    It may ask the same question twice, and then is told the same. Time may pass between
    a thing and the next question: a rule holds at its moment, whether it is asked about
    then or later.

    An open connection is in one of three states:

        idle       nothing of a request has come       opened(), answered() lead here
        arriving   a part of a request has come        arriving() leads here
        busy       the whole request has come, and     request() leads here
                   its answer has not been sent

    The rules:

    1.  Before the first signal the server accepts, keeps connections alive, and closes
        none. It has not ended, even if no connection is open.
    2.  From the first signal on it accepts no more: no opened() will come.
    3.  From the first signal on, answers say `Connection: close`.
    4.  From the first signal on, an idle connection is to be closed at once: one that
        is idle at the signal, and one that becomes idle after it. If a piece of a
        request comes before it has been closed, it is idle no more. (Step 12 waits
        half a second for such a piece. These rules do not.)
    5.  A busy connection is never to be closed before the end (rules 8 and 9).
    6.  An arriving connection may go on until `patience_s` after the first signal, and
        then is to be closed. Another piece of its request does not earn it more time.
    7.  It ends with "drained" as soon as no connection is open: at the signal itself,
        if none is open then.
    8.  It ends with "late" when `grace_s` has passed since the first signal, if a
        connection is open even then.
    9.  It ends with "forced" at a second signal, if it has not ended before.
    10. After the end, all connections that are left are to be closed, and nothing that
        happens changes how it has ended.

    Example: connection 7 is busy, and 8 is idle.

        >>> drain.signal()
        >>> drain.to_close()
        {8}
        >>> drain.closed(8)
        >>> drain.ended(), drain.answers_say_close()
        (None, True)
        >>> drain.answered(7)
        >>> drain.to_close()
        {7}
        >>> drain.closed(7)
        >>> drain.ended()
        'drained'

    grace_s, patience_s: in seconds; patience_s is the smaller one.
    clock: the time in seconds. It never goes back, and its zero means nothing.
    """

    def __init__(
        self, grace_s: float, patience_s: float, clock: Callable[[], float]
    ) -> None:
        self._open: set[int] = set()
        self._is_draining = False

    # What happens. A connection is named by its descriptor. Once it is closed, the
    # kernel may give the same number to another one.

    def opened(self, connection: int) -> None:
        """It has been accepted. It is idle."""
        self._open.add(connection)

    def arriving(self, connection: int) -> None:
        """Of its next request the first piece has come, or another piece, not all."""

    def request(self, connection: int) -> None:
        """Its next request has come whole: it had been arriving, or came at once."""

    def answered(self, connection: int) -> None:
        """The answer has been sent."""

    def closed(self, connection: int) -> None:
        """It is closed, in whatever state: by the server, or by its client."""
        self._open.discard(connection)

    def signal(self) -> None:
        """SIGTERM has come, for the first time or once more."""
        self._is_draining = True

    # What the server asks.

    def may_accept(self) -> bool:
        """Whether to accept another connection (rules 1 and 2)."""
        return not self._is_draining

    def answers_say_close(self) -> bool:
        """Whether an answer that is now begun says `Connection: close` (1 and 3)."""
        return False

    def to_close(self) -> set[int]:
        """The connections to be closed now (rules 4, 5, 6 and 10).

        A set of its own, which stays as it is while the server goes through it and
        tells `closed()` of each.
        """
        # TODO: this waits until the clients close, however long. Rules 3 to 10 are
        # missing, or not whole.
        return set()

    def ended(self) -> End | None:
        """How it has ended; None as long as it has not (rules 7 to 10)."""
        return "drained" if self._is_draining and not self._open else None
