"""Media in a directory."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from homeserver.domain.errors import StorageFull
from homeserver.http.spool import open_spool
from homeserver.ports.media.media import Content, StoredFile
from storage.media.local_media import LocalMedia
from tests.http_wire import run_here

BODY = bytes(range(256)) * 4096


@pytest.fixture
def media(tmp_path: Path) -> LocalMedia:
    return LocalMedia(tmp_path / "media", run_here)


def read(stored: StoredFile | None) -> bytes:
    assert stored is not None
    with stored.file as file:
        data = file.read()
    assert len(data) == stored.size
    return data


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def in_memory(directory: Path) -> BinaryIO:
    return io.BytesIO()


def in_named_file(directory: Path) -> BinaryIO:
    return (directory / "elsewhere").open("w+b")


def in_temporary_file(directory: Path) -> BinaryIO:
    return tempfile.TemporaryFile(dir=directory)


@pytest.mark.parametrize("make", [in_memory, in_named_file, in_temporary_file, open_spool])
async def test_content_is_kept_wherever_it_was_received(
    make: Any, media: LocalMedia, tmp_path: Path
) -> None:
    with make(tmp_path) as source:
        source.write(BODY)
        content = await media.store(source)

    assert content == Content(hashlib.sha256(BODY).digest(), len(BODY))
    assert read(await media.open(content)) == BODY
    assert files_in(media.incoming) == []


async def test_a_spooled_upload_gets_a_name_and_is_not_copied(
    media: LocalMedia, tmp_path: Path
) -> None:
    with open_spool(media.incoming) as source:
        source.write(BODY)
        source.flush()
        inode = os.fstat(source.fileno()).st_ino
        content = await media.store(source)
        stored = await media.open(content)
        assert stored is not None
        with stored.file as file:
            if getattr(os, "O_TMPFILE", None) is not None:
                assert os.fstat(file.fileno()).st_ino == inode


async def test_a_file_that_has_a_name_is_never_shared(media: LocalMedia, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"first")
    with path.open("rb") as source:
        content = await media.store(source)
    path.write_bytes(b"other")
    assert read(await media.open(content)) == b"first"


async def test_the_same_content_is_kept_once(media: LocalMedia, tmp_path: Path) -> None:
    first = await media.store(io.BytesIO(BODY))
    second = await media.store(io.BytesIO(BODY))
    assert first == second
    assert len(files_in(tmp_path)) == 1


async def test_content_may_be_empty(media: LocalMedia) -> None:
    content = await media.store(io.BytesIO())
    assert content.size == 0
    assert read(await media.open(content)) == b""


async def test_content_that_is_gone_or_cut_off_is_lost(media: LocalMedia, tmp_path: Path) -> None:
    content = await media.store(io.BytesIO(BODY))
    (path,) = files_in(tmp_path)

    path.write_bytes(BODY[:100])
    assert await media.open(content) is None
    path.unlink()
    assert await media.open(content) is None

    await media.store(io.BytesIO(BODY))
    assert read(await media.open(content)) == BODY


async def test_cut_off_content_is_repaired_by_uploading_it_again(
    media: LocalMedia, tmp_path: Path
) -> None:
    content = await media.store(io.BytesIO(BODY))
    (path,) = files_in(tmp_path)
    path.write_bytes(b"")
    await media.store(io.BytesIO(BODY))
    assert read(await media.open(content)) == BODY


async def test_thumbnails_are_kept_by_name_and_replaced(media: LocalMedia) -> None:
    content = await media.store(io.BytesIO(BODY))
    assert await media.open_thumbnail(content, "32x32-crop") is None

    await media.store_thumbnail(content, "32x32-crop", b"first")
    await media.store_thumbnail(content, "32x32-crop", b"second")

    assert read(await media.open_thumbnail(content, "32x32-crop")) == b"second"
    assert await media.open_thumbnail(content, "96x96-crop") is None


async def test_a_full_disk_is_told_and_leaves_nothing_behind(media: LocalMedia) -> None:
    class NoRoom(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().read(size)

    source = NoRoom(BODY)
    with pytest.raises(StorageFull) as raised:
        await media.store(source)
    assert raised.value.status == 507
    assert files_in(media.incoming) == []


async def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    incoming = LocalMedia(tmp_path, run_here).incoming
    old, new = incoming / "old", incoming / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    LocalMedia(tmp_path, run_here)

    assert files_in(incoming) == [new]
