"""A connection that never waits: it keeps what has come and what is yet to be sent, and
says what the selector has to watch for."""

import socket
from enum import Enum
from selectors import EVENT_READ, EVENT_WRITE

from steps.http11 import CONTINUE, BadRequest, Gatherer, Request, Response
from steps.step01.connection import RECEIVE_BYTES

# With more than this to send, no further request of the connection is taken: else the
# answers to a client that asks, and never reads, would fill the memory.
MAX_BUFFERED_BYTES = 65_536
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
# All connections that have nothing to send share the first, all that have received
# nothing yet the second, to save memory. So nothing may ever be put into these two.
NOTHING: Output = []
NO_REQUESTS = Gatherer()


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

    Of what has come, it keeps at most what the parser's limits allow for a request, and
    RECEIVE_BYTES more; of what is to be sent, at most MAX_BUFFERED_BYTES and an answer.
    Methods raise OSError when the client has gone.
    """

    __slots__ = (
        "_linger",
        "_output",
        "ended",
        "max_buffered",
        "moved",
        "requests",
        "sock",
        "state",
        "unsent",
    )

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.state = OPEN
        self.ended = False  # the client has said that it will send no more
        # Bytes received, and bytes sent while not all could be sent at once. Where it
        # grows, a slow client is not stuck: step 11 looks at it.
        self.moved = 0
        self.unsent = 0  # bytes in _output
        self.max_buffered = MAX_BUFFERED_BYTES  # with more unsent, no request is taken
        self._output = NOTHING
        self.requests = NO_REQUESTS
        self._linger = 0  # after the last answer: bytes that may still be thrown away

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
        """Read once, for others wait for their turn."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        self.moved += len(data)
        if not data:
            self.ended = True
        elif self.state is LINGERING:
            self._linger -= len(data)
            if self._linger <= 0:
                self.state = DONE
        else:
            if self.requests is NO_REQUESTS:
                self.requests = self._gatherer()
            self.requests.feed(data)

    def _gatherer(self) -> Gatherer:
        return Gatherer()

    def next_request(self) -> Request | None:
        """The next request that is whole and may be answered now, or None.

        Call it until it gives None. Of a request that came together with the one before
        it, the kernel has nothing any more, so no selector will ever announce it.
        """
        if self.unsent > self.max_buffered:
            self.flush()
            if self.unsent > self.max_buffered:
                return None
        requests = self.requests
        if not requests.buffer or self.state is not OPEN:
            return None
        try:
            request = requests.next_request()
        except BadRequest as error:
            self.refuse(error)
            return None
        if request is None and requests.continue_due:
            requests.continue_due = False
            self.send(CONTINUE)
        return request

    # [/receive]

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

    def refuse(self, error: BadRequest) -> None:
        """Answer what could not be understood. Where a next request would begin, nobody
        knows then, so whatever follows is thrown away."""
        response = Response(error.status, error.reason.encode())
        self.send(response.encode(None, keep_alive=False))
        self.state = LAST
        self._linger = MAX_LINGER_BYTES

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
                self.moved += sent
                self._forget(sent)
                return
            self._output = NOTHING
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
        self.state = DONE
        self.sock.close()
