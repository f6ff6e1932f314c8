"""Uploads and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.content_uris import ContentUri, MediaId, make_content_uri
from homeserver.domain.errors import (
    CannotOverwriteMedia,
    Forbidden,
    LimitExceeded,
    NotFound,
    NotYetUploaded,
    TooLarge,
    UserSuspended,
)
from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import DatabaseDown
from homeserver.ports.media.media import Media
from homeserver.services.media.media import MediaSettings
from homeserver.services.media.media_access import FLUSH_SECONDS
from tests.homeserver.media_server import (
    ALICE,
    BOB,
    SERVER,
    SUSPENDED,
    MediaServer,
    requester,
    stored_files,
    upload,
)

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MediaServer]:
    settings = MediaSettings(SERVER, max_upload_bytes=1000, pending_uploads_max=2)
    with MediaServer(tmp_path, settings) as made:
        yield made


async def body_of(server: MediaServer, uri: ContentUri) -> bytes:
    stored = await server.repository.open(await server.repository.find(uri, 0))
    with stored.file as file:
        return file.read()


def waiting(server: MediaServer, uri: ContentUri, timeout_ms: int) -> Deferred[Media]:
    return Deferred.fromCoroutine(server.repository.find(uri, timeout_ms))


async def test_what_was_uploaded_is_found_as_it_was(server: MediaServer) -> None:
    uri = await server.upload(b"hello", "text/plain", "hello.txt")
    assert str(uri).startswith("mxc://hs/")
    found = await server.repository.find(uri, 0)
    assert (found.uploader, found.content_type, found.upload_name, found.content.size) == (
        ALICE,
        "text/plain",
        "hello.txt",
        5,
    )
    assert found.created_ts == server.clock.now_ms()
    assert await body_of(server, uri) == b"hello"


async def test_the_same_file_uploaded_twice_is_two_media(server: MediaServer) -> None:
    first = await server.upload(b"hello", "text/plain", "a")
    second = await server.upload(b"hello", "text/html", "b")
    assert first != second
    assert (await server.repository.find(first, 0)).upload_name == "a"
    assert (await server.repository.find(second, 0)).upload_name == "b"


async def test_an_upload_that_is_too_large_is_refused(server: MediaServer) -> None:
    await server.upload(b"x" * 1000)
    with pytest.raises(TooLarge) as raised:
        await server.upload(b"x" * 1001)
    assert (raised.value.status, raised.value.errcode) == (413, "M_TOO_LARGE")


async def test_a_user_beyond_their_quota_is_refused(tmp_path: Path) -> None:
    with MediaServer(tmp_path, MediaSettings(SERVER, user_quota_bytes=10)) as server:
        await server.upload(b"12345")
        await server.upload(b"12345")
        with pytest.raises(Forbidden):
            await server.upload(b"1")
        await server.repository.upload(requester(BOB), upload(b"1"))


async def test_suspended_users_upload_nothing(server: MediaServer) -> None:
    suspended = requester(SUSPENDED)
    with pytest.raises(UserSuspended):
        await server.repository.upload(suspended, upload(b"x"))
    with pytest.raises(UserSuspended):
        await server.repository.create(suspended)


async def test_content_may_follow_its_uri(server: MediaServer) -> None:
    uri, expires_ts = await server.repository.create(requester(ALICE))
    assert expires_ts == server.clock.now_ms() + DAY_MS

    with pytest.raises(NotYetUploaded) as raised:
        await server.repository.find(uri, 0)
    assert (raised.value.status, raised.value.errcode) == (504, "M_NOT_YET_UPLOADED")
    server.clock.advance(60)
    await server.repository.upload_to(uri, requester(ALICE), upload(b"late", "text/css", "a.css"))

    found = await server.repository.find(uri, 0)
    assert (found.content_type, found.upload_name) == ("text/css", "a.css")
    assert found.created_ts == server.clock.now_ms()
    assert await body_of(server, uri) == b"late"


async def test_content_is_not_overwritten(server: MediaServer) -> None:
    created, _ = await server.repository.create(requester(ALICE))
    await server.repository.upload_to(created, requester(ALICE), upload(b"first"))
    at_once = await server.upload(b"first")
    for uri in (created, at_once):
        with pytest.raises(CannotOverwriteMedia) as raised:
            await server.repository.upload_to(uri, requester(ALICE), upload(b"second"))
        assert (raised.value.status, raised.value.errcode) == (409, "M_CANNOT_OVERWRITE_MEDIA")
        assert await body_of(server, uri) == b"first"


async def test_only_who_created_a_uri_uploads_to_it(server: MediaServer) -> None:
    uri, _ = await server.repository.create(requester(ALICE))
    with pytest.raises(Forbidden):
        await server.repository.upload_to(uri, requester(BOB), upload(b"x"))
    suspended = attrs.evolve(requester(ALICE), is_suspended=True)
    with pytest.raises(UserSuspended):
        await server.repository.upload_to(uri, suspended, upload(b"x"))
    with pytest.raises(TooLarge):
        await server.repository.upload_to(uri, requester(ALICE), upload(b"x" * 1001))
    await server.repository.upload_to(uri, requester(ALICE), upload(b"x"))


async def test_a_uri_expires_when_nothing_is_uploaded_to_it(server: MediaServer) -> None:
    uri, _ = await server.repository.create(requester(ALICE))
    server.clock.advance(DAY_MS / 1000)
    with pytest.raises(NotFound):
        await server.repository.upload_to(uri, requester(ALICE), upload(b"x"))
    with pytest.raises(NotFound):
        await server.repository.find(uri, 20_000)


async def test_a_uri_that_was_never_created_takes_no_upload(server: MediaServer) -> None:
    for uri in (make_content_uri("hs", "unknown"), make_content_uri("other.example", "abc")):
        with pytest.raises(NotFound):
            await server.repository.upload_to(uri, requester(ALICE), upload(b"x"))


async def test_a_user_has_so_many_pending_uploads(server: MediaServer) -> None:
    first, _ = await server.repository.create(requester(ALICE))
    await server.repository.create(requester(ALICE))
    with pytest.raises(LimitExceeded) as raised:
        await server.repository.create(requester(ALICE))
    assert raised.value.status == 429
    assert raised.value.retry_after_ms > 0
    await server.repository.create(requester(BOB))

    await server.repository.upload_to(first, requester(ALICE), upload(b"x"))
    await server.repository.create(requester(ALICE))


async def test_a_download_waits_for_the_upload(server: MediaServer) -> None:
    uri, _ = await server.repository.create(requester(ALICE))
    first, second = waiting(server, uri, 20_000), waiting(server, uri, 20_000)
    server.clock.advance(5)
    assert not first.called

    await server.repository.upload_to(uri, requester(ALICE), upload(b"x"))

    assert (await first).media_id == (await second).media_id == uri.media_id


async def test_a_download_waits_no_longer_than_it_was_told(server: MediaServer) -> None:
    uri, _ = await server.repository.create(requester(ALICE))
    download = waiting(server, uri, 3000)
    server.clock.advance(2.9)
    assert not download.called
    server.clock.advance(0.1)
    with pytest.raises(NotYetUploaded):
        await download


async def test_no_download_waits_longer_than_the_server_lets_it(server: MediaServer) -> None:
    uri, _ = await server.repository.create(requester(ALICE))
    download = waiting(server, uri, 10**12)
    server.clock.advance(server.settings.max_wait_ms / 1000)
    with pytest.raises(NotYetUploaded):
        await download


async def test_an_upload_through_another_process_is_noticed(server: MediaServer) -> None:
    uri, _ = await server.repository.create(requester(ALICE))
    download = waiting(server, uri, 20_000)
    content = await server.store(b"x")
    now_ms = server.clock.now_ms()
    await server.index.complete(
        Media(uri.media_id, ALICE, content, "text/plain", None, now_ms, now_ms)
    )

    server.clock.advance(2)

    assert (await download).content == content


async def test_who_leaves_while_waiting_is_forgotten(server: MediaServer) -> None:
    uri, _ = await server.repository.create(requester(ALICE))
    left, stayed = waiting(server, uri, 20_000), waiting(server, uri, 20_000)
    left.addErrback(lambda failure: None)
    left.cancel()
    await server.repository.upload_to(uri, requester(ALICE), upload(b"x"))
    assert (await stayed).media_id == uri.media_id


async def test_unknown_and_remote_media_is_not_found(server: MediaServer) -> None:
    for uri in (
        make_content_uri("hs", "unknown"),
        ContentUri(ServerName("other.example"), MediaId("abc")),
    ):
        with pytest.raises(NotFound):
            await server.repository.find(uri, 20_000)


async def test_quarantined_media_is_not_found(server: MediaServer) -> None:
    uri = await server.upload(b"x")
    await server.index.quarantine(uri.media_id)
    with pytest.raises(NotFound):
        await server.repository.find(uri, 0)


async def test_content_that_is_lost_is_not_found(server: MediaServer, tmp_path: Path) -> None:
    uri = await server.upload(b"hello")
    media = await server.repository.find(uri, 0)
    for path in stored_files(tmp_path, "content"):
        path.unlink()
    with pytest.raises(NotFound):
        await server.repository.open(media)


async def test_a_freeze_leaves_older_media_without_authentication(tmp_path: Path) -> None:
    with MediaServer(tmp_path) as before:
        now_ms = before.clock.now_ms()
    with MediaServer(
        tmp_path, MediaSettings(SERVER, unauthenticated_until_ms=now_ms + 1000)
    ) as server:
        older = await server.upload(b"old")
        server.clock.advance(1)
        newer = await server.upload(b"new")

        await server.repository.find(older, 0, authenticated=False)
        await server.repository.find(newer, 0)
        with pytest.raises(NotFound):
            await server.repository.find(newer, 0, authenticated=False)


async def test_accesses_are_written_about_once_a_minute(server: MediaServer) -> None:
    uri = await server.upload(b"hello")
    uploaded_ts = server.clock.now_ms()
    server.clock.advance(10)
    await server.repository.find(uri, 0)
    found = await server.repository.find(uri, 0)
    assert found.last_access_ts == uploaded_ts

    server.clock.advance(FLUSH_SECONDS)

    found = await server.repository.find(uri, 0)
    assert found.last_access_ts == server.clock.now_ms()


async def test_a_server_that_stops_writes_the_accesses_it_knows(server: MediaServer) -> None:
    uri = await server.upload(b"hello")
    server.clock.advance(10)
    await server.repository.find(uri, 0)
    await server.access.flush()
    found = await server.repository.find(uri, 0)
    assert found.last_access_ts == server.clock.now_ms()


async def test_accesses_survive_a_database_that_is_away(
    server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*args: object) -> None:
        raise DatabaseDown("away")

    uri = await server.upload(b"hello")
    await server.repository.find(uri, 0)
    with monkeypatch.context() as patched:
        patched.setattr(server.index, "accessed", away)
        await server.access.flush()
    server.clock.advance(FLUSH_SECONDS)
    await server.repository.find(uri, 0)
    await server.access.flush()
    assert (await server.repository.find(uri, 0)).last_access_ts == server.clock.now_ms()
