"""A request's body that is long goes into a file, not into memory."""

import contextlib
import tempfile
from typing import BinaryIO

from steps.http11 import BadRequest, Begun, Gatherer, Limits, Request

# When more of a body than this is in memory, and it goes on, it is put into a file.
MAX_IN_MEMORY_BYTES = 65_536


class SpoolingGatherer(Gatherer):
    """Gives requests whose body, if it is long, is in `body_file`, and else in `body`.

    The file has no name, and is gone when it is closed. Who gets the request closes it.
    """

    def __init__(self, limits: Limits, begun: Begun | None = None) -> None:
        super().__init__(limits, begun)
        self._file: BinaryIO | None = None

    def _collect(self, data: bytes) -> None:
        if len(self._body) > MAX_IN_MEMORY_BYTES:
            self._spill()
        super()._collect(data)

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - see close()
            self._file.write(self._body)
            # The file object keeps the end of what it was given, and would find out
            # that the disk is full when seek() or close() writes that.
            self._file.flush()
        except OSError:
            self.close()  # what others send may find room now
            raise BadRequest(507, "no room for the body") from None
        self._body.clear()

    def _attach(self, request: Request) -> None:
        if self._file is None:
            super()._attach(request)
            return
        self._spill()
        self._file.seek(0)
        request.body_file, self._file = self._file, None

    def close(self) -> None:
        """Throw away what has come of a body whose rest will not come."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # the disk is still full
                self._file.close()
