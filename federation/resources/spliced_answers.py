"""Answers made of the stored bytes of events and files, however many there are.

What is small is kept in memory; what grows larger goes to a file without a name, by another thread.
"""

from __future__ import annotations

from io import BufferedRandom, FileIO
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO, Final

from twisted.internet.defer import DeferredSemaphore

from homeserver.http.answers import JSON, Answer, FileAnswer
from homeserver.http.file_part import FilePart
from homeserver.http.spool import open_spool
from homeserver.ports.threads import RunInThread

IN_MEMORY_BYTES: Final = 256 * 1024
LARGE_AT_ONCE: Final = 4
"""How many answers that may be large are made at the same time; others wait."""

_BLOCK_BYTES: Final = 256 * 1024


class SplicedAnswer:
    """An answer that grows. When it is not finished, it must be closed."""

    def __init__(self, directory: Path | None, run_in_thread: RunInThread) -> None:
        self._directory = directory
        self._run_in_thread = run_in_thread
        self._parts: list[bytes] = []
        self._waiting = 0
        self._written = 0
        self._file: BinaryIO | None = None

    async def write(self, *parts: bytes) -> None:
        """Add bytes."""
        self._parts += parts
        self._waiting += sum(map(len, parts))
        if self._waiting > IN_MEMORY_BYTES:
            await self._flush()

    async def write_file(self, source: FileIO, size: int) -> None:
        """Add the ``size`` bytes that a file holds, from where it stands."""
        if size <= IN_MEMORY_BYTES:
            await self.write(await self._run_in_thread(source.read))
            return
        await self._flush()
        self._written += await self._run_in_thread(_copy, source, self._opened())

    async def finish(self, content_type: bytes = JSON) -> Answer:
        """The answer with all that was written."""
        if self._file is None:
            return Answer(b"".join(self._parts), content_type=content_type)
        await self._flush()
        await self._run_in_thread(self._file.flush)
        spool, self._file = self._file, None
        assert isinstance(spool, BufferedRandom)
        raw = spool.detach()
        assert isinstance(raw, FileIO)
        return FileAnswer(b"", 200, content_type, part=FilePart(raw, 0, self._written))

    def close(self) -> None:
        """Drop what was written, unless it was finished."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _flush(self) -> None:
        data = b"".join(self._parts)
        self._parts, self._waiting = [], 0
        self._written += len(data)
        await self._run_in_thread(self._opened().write, data)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = open_spool(self._directory)
        return self._file


class AnswerSplicer:
    """Makes spliced answers. ``directory`` is where large ones wait to be sent."""

    def __init__(self, directory: Path | None, run_in_thread: RunInThread) -> None:
        self._directory = directory
        self._run_in_thread = run_in_thread
        self.large = DeferredSemaphore(LARGE_AT_ONCE)
        """Held by who makes an answer that may be large."""

    def begin(self) -> SplicedAnswer:
        """An answer with nothing in it yet."""
        return SplicedAnswer(self._directory, self._run_in_thread)


def _copy(source: FileIO, target: BinaryIO) -> int:
    before = target.tell()
    copyfileobj(source, target, _BLOCK_BYTES)
    return target.tell() - before
