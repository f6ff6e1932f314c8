"""A part of a file that is to be sent."""

from __future__ import annotations

import os
from io import FileIO
from typing import Final

import attrs

# With this flag Linux reads what is in its cache and refuses to wait for the disk.
_WITHOUT_WAITING: Final[int] = getattr(os, "RWF_NOWAIT", 0)


@attrs.define(slots=True)
class FilePart:
    """What is still to be sent: ``length`` bytes from ``offset``. Whoever sends it closes the
    file."""

    file: FileIO
    offset: int
    length: int

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def advance(self, count: int) -> None:
        """Note that so many bytes were sent."""
        self.offset += count
        self.length -= count

    def read(self, at_most: int) -> bytes:
        """The next bytes. Blocks."""
        return os.pread(self.file.fileno(), min(at_most, self.length), self.offset)

    def is_cached(self, at_most: int) -> bool:
        """Whether the next bytes can be had without waiting for the disk, going by the first and
        the last of them."""
        if not _WITHOUT_WAITING:
            return False
        last = self.offset + min(at_most, self.length) - 1
        try:
            for position in (self.offset, last):
                os.preadv(self.file.fileno(), [bytearray(1)], position, _WITHOUT_WAITING)
        except OSError:
            return False  # it would have to wait, or this file system cannot tell
        return True
