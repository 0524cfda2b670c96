"""Send a whole response, and go on where the kernel took only part of it.

Work in this file. `pytest chapters/07-one-line` checks it.
"""

import socket
from collections.abc import Sequence

#: How many buffers one sendmsg() may be given. With more, the kernel refuses the call.
MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    r"""Send the head and the body of a response, whole and in order.

    The first call gives the kernel all of both. If it takes only part of that, the next
    call gives it all of the rest, and so on, thousands of times for a client that reads
    slowly. Returns how many calls that took, for the server's statistics: 1, as long as
    the kernel has room.

    Uses `sock.send()` or `sock.sendmsg()`, and no other call on the socket. TCP_NODELAY
    is set already; `sendall()` goes on by itself, but it does not say how often.

    Head and body may be put together once. After that nothing is copied, however many
    calls it takes: what is left of a large body is not copied for each of them.

    Every OSError goes to the caller, TimeoutError as well.

    Example: the kernel has room.

        >>> send_response(sock, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"hi")
        1

    sock: a connected socket, which waits until the kernel has room for at least one
        byte. `sock.send(data)` returns how many bytes the kernel took: all or fewer. A
        socket with a timeout often takes fewer, and raises TimeoutError where there is
        no room for too long.
    head: not empty. body: may be empty, as in the answer to HEAD.
    """
    # TODO: these are two writes, and each of them may take only part.
    sock.send(head)
    sock.send(body)
    return 2


def send_buffers(sock: socket.socket, buffers: Sequence[bytes]) -> int:
    """Send many buffers in as few calls as that takes, and copy none of them.

    The harder half: responses to several requests, say, each a head and a body. Every
    call is a `sock.sendmsg()` that gives the kernel all that is left, or the first
    MOST_BUFFERS of what is left if these are more. Returns how many calls it took.

    Copies nothing: what a call gets is the buffers themselves, or a memoryview of one.
    The kernel may stop within a buffer, or between two, and thousands of times. Leaves
    `buffers` as it is, which may be a list or a tuple.

    Buffers may be empty. No call is made when nothing is left to send; if all buffers
    are empty, or there is none, that is 0 calls. OSError goes to the caller.

    Example: two responses, and the kernel has room.

        >>> send_buffers(sock, [head, body, other_head, b""])
        1

    sock: as above. `sock.sendmsg(list_of_buffers)` sends them one behind the other, and
        returns how many bytes of all of them the kernel took.
    """
    # TODO: this believes that the kernel takes any number of buffers, and whole.
    sock.sendmsg(buffers)
    return 1
