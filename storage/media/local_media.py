"""Media in a directory of this machine, or one that all workers share.

``content/`` holds each content once, under its SHA-256, and ``thumbnails/`` what was made from it,
which may be deleted at any time. Files are written under ``incoming/`` and get their name when they
are complete and on disk, so a name never stands for half a file.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from homeserver.domain.errors import StorageFull
from homeserver.ports.media.media import Content, StoredFile
from homeserver.ports.threads import RunInThread

_BLOCK_BYTES: Final = 256 * 1024
_INCOMING_SECONDS: Final = 86_400
"""After this time nobody writes to a file any more."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LocalMedia:
    """See :class:`homeserver.ports.media.media.MediaProvider`."""

    def __init__(self, directory: Path, run_in_thread: RunInThread) -> None:
        self._content = directory / "content"
        self._thumbnails = directory / "thumbnails"
        self.incoming = directory / "incoming"
        """Where uploads are best received: a file without a name in this directory is not copied
        when it is stored, it gets a name."""
        self._run_in_thread = run_in_thread
        for made in (self._content, self._thumbnails, self.incoming):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    async def store(self, source: BinaryIO) -> Content:
        return await self._run_in_thread(self._store, source)

    async def open(self, content: Content) -> StoredFile | None:
        return await self._run_in_thread(self._open, content)

    async def store_thumbnail(self, content: Content, name: str, encoded: bytes) -> None:
        await self._run_in_thread(self._store_thumbnail, content, name, encoded)

    async def open_thumbnail(self, content: Content, name: str) -> StoredFile | None:
        return await self._run_in_thread(_open_file, self._thumbnails / _place(content) / name)

    def _store(self, source: BinaryIO) -> Content:
        with _telling_when_full():
            source.flush()
            content = _measure(source)
            target = self._content / _place(content)
            if not _has_size(target, content.size):
                arrived = self._named(source) or self._copied(source)
                _move(arrived, target)
        return content

    def _open(self, content: Content) -> StoredFile | None:
        stored = _open_file(self._content / _place(content))
        if stored is not None and stored.size != content.size:
            stored.file.close()
            return None
        return stored

    def _store_thumbnail(self, content: Content, name: str, encoded: bytes) -> None:
        with _telling_when_full():
            arrived = self._copied(io.BytesIO(encoded))
            _move(arrived, self._thumbnails / _place(content) / name)

    def _named(self, source: BinaryIO) -> Path | None:
        """Give a name to a file that has none; None when it cannot be done and copying must."""
        try:
            descriptor = source.fileno()
        except OSError:
            return None  # it is in memory
        if os.fstat(descriptor).st_nlink > 0:
            return None
        os.fsync(descriptor)
        named = self._new_path()
        try:
            # With src_dir_fd, which an absolute path makes meaningless, Python calls linkat(2),
            # the one way to follow this link.
            os.link(
                f"/proc/self/fd/{descriptor}", named, src_dir_fd=descriptor, follow_symlinks=True
            )
        except OSError:
            return None  # on another file system, or never to be named
        return named

    def _copied(self, source: BinaryIO) -> Path:
        copy = self._new_path()
        try:
            with copy.open("xb") as file:
                source.seek(0)
                shutil.copyfileobj(source, file, _BLOCK_BYTES)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return copy

    def _new_path(self) -> Path:
        return self.incoming / secrets.token_hex(16)

    def _sweep(self) -> None:
        """Delete what a process that died left half written."""
        oldest = time.time() - _INCOMING_SECONDS
        for path in self.incoming.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _place(content: Content) -> Path:
    name = content.sha256.hex()
    return Path(name[:2], name[2:])


def _measure(source: BinaryIO) -> Content:
    source.seek(0)
    digest = hashlib.sha256()
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
    return Content(digest.digest(), source.tell())


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _open_file(path: Path) -> StoredFile | None:
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
    return StoredFile(file, os.fstat(file.fileno()).st_size)


def _move(arrived: Path, target: Path) -> None:
    if not target.parent.is_dir():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_directory(target.parent.parent)
    arrived.replace(target)
    _sync_directory(target.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _telling_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull() from error
        raise
