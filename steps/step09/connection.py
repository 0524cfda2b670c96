"""A connection that never waits: it keeps what has come and what is yet to be sent, and
says what the selector has to watch for."""

import contextlib
import socket
from enum import Enum
from selectors import EVENT_READ, EVENT_WRITE

from steps.http11 import (
    CONTINUE,
    BadRequest,
    Data,
    Gatherer,
    Reader,
    Request,
    Response,
)
from steps.step01.connection import RECEIVE_BYTES

# A body up to this size is copied behind its head, and the two are sent as one piece. A
# longer one is not copied, but sent from where it is.
MAX_JOINED_BYTES = 16_384
# How many pieces go into one call. With more than IOV_MAX of them, 1024 on Linux and
# macOS, the call would fail.
MAX_PIECES = 1000
# How much is read and thrown away after the last answer: to close with input unread may
# cost the client that answer (see _finish()).
MAX_LINGER_BYTES = 4_194_304

Output = list[bytes | memoryview]
# All connections that have nothing to send share this list, to save memory. So nothing
# may ever be put into it.
NO_OUTPUT: Output = []


# [state]
class State(Enum):
    OPEN = 1  # requests are read and answered
    LAST = 2  # no further request is taken: the last answer is on its way
    LINGERING = 3  # it has been sent; what still comes is thrown away
    DONE = 4  # to be closed


OPEN, LAST, LINGERING, DONE = State
# [/state]


class Connection:
    """One client's socket and everything that is known about it.

    Of what has come, it keeps at most what the reader's limits allow for a request, and
    RECEIVE_BYTES more; between two requests, nothing. Methods raise OSError when the
    client has gone.
    """

    __slots__ = (
        "_linger",
        "_output",
        "_reader",
        "_unread",
        "ended",
        "gatherer",
        "has_input",
        "sock",
        "state",
        "unsent",
    )

    def __init__(self, sock: socket.socket, reader: Reader) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.state = OPEN
        self.ended = False  # the client has said that it will send no more
        self._reader = reader
        self._unread: Data = b""  # what has come, and has not been looked at yet
        self.gatherer: Gatherer | None = None  # has the beginning of a request
        self.has_input = False  # one of the two has bytes that no request has
        self._output = NO_OUTPUT
        self.unsent = 0  # bytes in _output
        # How many bytes may still be thrown away after the last answer. Above 0 before
        # that is sent: more will come, so linger also if nothing is there yet.
        self._linger = 0

    # [interest]
    @property
    def interest(self) -> int:
        """What the selector must watch for; 0: nothing is left to do. Nobody else
        decides this.

        A client that does not read its answers is not read either. What it sends fills
        the kernel's buffers here, then those at its own end, and then it has to wait.
        """
        if self.unsent:
            return EVENT_WRITE
        return 0 if self.ended or self.state is DONE else EVENT_READ

    # [/interest]

    # [receive]
    def receive(self) -> None:
        """Read once, for others wait for their turn. All that came before has been
        looked at: next_request() has returned None."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.ended = True
        elif self.state is LINGERING:
            self._linger -= len(data)
            if self._linger <= 0:
                self.state = DONE
        elif self.gatherer is not None:
            self.gatherer.feed(data)
            self.has_input = True
        else:
            self._unread = data
            self.has_input = True

    # [/receive]

    # [next-request]
    def next_request(self) -> Request | None:
        """The next request that is whole, or None.

        Call it until it gives None. Of a request that came together with the one before
        it, the kernel has nothing any more, so no selector will ever announce it.
        """
        if self.state is not OPEN:
            return None
        try:
            if self.gatherer is None:
                return self._read()
            return self._gather(self.gatherer)
        except BadRequest as error:
            self.refuse(error)
            return None

    def _read(self) -> Request | None:
        """Most requests come whole, and are read straight from the bytes that came."""
        data = self._unread
        if not data:
            return None
        self._unread = b""
        found = self._reader.read(data)
        if isinstance(found, Gatherer):
            return self._gather(found)
        request, end = found
        if end < len(data):
            # A view, so that nothing is copied, however many requests there are.
            self._unread = memoryview(data)[end:]
        else:
            self.has_input = False
        return request

    def _gather(self, gatherer: Gatherer) -> Request | None:
        """Others are put together by a gatherer, which is kept until it has no more."""
        request = gatherer.next_request()
        if request is None and gatherer.continue_due:
            gatherer.continue_due = False
            self.send(CONTINUE)
        self.has_input = bool(gatherer.buffer)
        over = request is not None and not self.has_input
        self.gatherer = None if over else gatherer
        return request

    # [/next-request]

    # [answer]
    def answer(self, request: Request, response: Response) -> None:
        """Put the response behind those that are not sent yet. `flush()` sends it."""
        keep = request.keep_alive
        if len(response.body) <= MAX_JOINED_BYTES:
            self.send(response.encode(request, keep))
        else:
            self.send(response.encode_head(request, keep))
            self.send(response.encode_body(request))
        if not keep:
            self.state = LAST

    # [/answer]

    # [refuse]
    def refuse(self, error: BadRequest) -> None:
        """Answer what could not be understood. Where a next request would begin, nobody
        knows then, so whatever follows is thrown away."""
        response = Response(error.status, error.reason.encode())
        self.send(response.encode(None, keep_alive=False))
        self.state = LAST
        self._linger = MAX_LINGER_BYTES

    # [/refuse]

    # [send]
    def send(self, data: bytes) -> None:
        """Put `data` behind what waits to be sent already. `flush()` sends it."""
        if self.unsent:
            self._output.append(data)
            self.unsent += len(data)
        else:
            self._output = [data]
            self.unsent = len(data)

    def flush(self) -> None:
        """Send what the kernel takes of the output, and keep the rest for later."""
        if self.unsent:
            output = self._output
            try:
                if len(output) == 1:
                    sent = self.sock.send(output[0])
                else:
                    sent = self.sock.sendmsg(output[:MAX_PIECES])
            except BlockingIOError:
                return
            self.unsent -= sent
            if self.unsent:
                self._forget(sent)
                return
            self._output = NO_OUTPUT
        if self.state is LAST:
            self._finish()

    def _forget(self, sent: int) -> None:
        """Remove the first `sent` bytes from the output: the kernel has them."""
        output = self._output
        whole = 0
        for piece in output:
            if sent < len(piece):
                break
            sent -= len(piece)
            whole += 1
        del output[:whole]
        output[0] = memoryview(output[0])[sent:]  # a view, so nothing is copied

    # [/send]

    # [finish]
    def _finish(self) -> None:
        """All is sent, so the connection may be closed, unless input is unread.

        To close it then would send a reset, and the client could lose the answer that
        is on its way (RFC 9112 §9.6). So say that nothing follows, and read on until
        the client closes.
        """
        if not self.ended and (self._linger or self._is_unread()):
            self.sock.shutdown(socket.SHUT_WR)
            self._linger = MAX_LINGER_BYTES
            self.state = LINGERING
        else:
            self.state = DONE

    def _is_unread(self) -> bool:
        """Whether the client has sent something after its last request."""
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    # [/finish]

    def close(self) -> None:
        """Tell the client, and free the descriptor.

        A process that a handler has forked may have the socket as well. close() by
        itself would tell the client nothing as long as that process lives.
        """
        self.state = DONE
        with contextlib.suppress(OSError):  # it is not connected any more
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
