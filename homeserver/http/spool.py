"""Where large bodies wait until their request is complete."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Final

IN_MEMORY_BYTES: Final = 100_000
"""Bodies up to this size are kept in memory."""


def open_spool(directory: Path | None) -> BinaryIO:
    """A file without a name, in a directory or in the system's for temporary files.

    It is gone when it is closed, unless somebody has given it a name: Linux can do that.
    """
    anonymous = getattr(os, "O_TMPFILE", 0)
    if directory is not None and anonymous:
        try:
            return os.fdopen(os.open(directory, anonymous | os.O_RDWR | os.O_CLOEXEC, 0o600), "w+b")
        except OSError:
            pass  # not on this file system
    return tempfile.TemporaryFile(dir=directory)
