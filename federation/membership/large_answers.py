"""Answers that are too large to be sent at once: many members make megabytes of state."""

from __future__ import annotations

from io import BufferedRandom, FileIO
from typing import Final, cast

from homeserver.http.answers import Answer, FileAnswer
from homeserver.http.file_part import FilePart
from homeserver.http.spool import open_spool
from homeserver.ports.threads import RunInThread

AT_ONCE_BYTES: Final = 500_000
"""Larger answers are put into a file, from which they go out as fast as they are received: to
encrypt them would hold everybody else up."""


async def json_answer(body: bytes, run_in_thread: RunInThread) -> Answer:
    """The answer with a JSON body of any size."""
    if len(body) <= AT_ONCE_BYTES:
        return Answer(body)
    file = await run_in_thread(_written, body)
    return FileAnswer(b"", part=FilePart(file, 0, len(body)))


def _written(body: bytes) -> FileIO:
    """A file without a name that is gone when it is closed."""
    file = cast("FileIO", cast("BufferedRandom", open_spool(None)).detach())
    left = memoryview(body)
    while left:
        left = left[file.write(left) :]
    return file
