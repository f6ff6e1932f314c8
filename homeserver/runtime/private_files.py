"""Files that only the server's own user may read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def create_private_file(path: Path, text: str) -> None:
    """Write a new file with mode 0600; it is on disk, and whole, when this returns.

    Nobody ever sees a part of it, not even after a crash. Raises FileExistsError when there is a
    file already, OSError when it cannot be written.
    """
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        os.unlink(draft)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
