"""Users look at media of another server."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from PIL import Image
from twisted.internet.defer import Deferred

from homeserver.domain.content_uris import ContentUri, make_content_uri
from homeserver.http.answers import FileAnswer
from homeserver.services.media.media import Upload
from tests.deferreds import together
from tests.federation.queries.conftest import CDN, MAX_MEDIA_BYTES, Town
from tests.federation.transport.internet import Received, Reply
from tests.homeserver.media_server import ALICE, encoded
from tests.http_requests import TestClient, make_request
from tests.rooms_fixture import SERVER

PNG = encoded(Image.new("RGB", (1000, 800), "teal"))
PLACE = f"{SERVER}/abc"
UNRECOGNIZED = Reply(404, b'{"errcode":"M_UNRECOGNIZED","error":"no"}')


async def got(
    town: Town, path: str, client: TestClient | None = None, token: str | None = ALICE
) -> tuple[int, Any, dict[str, str]]:
    """The status, the bytes (or the error code) and the headers of an answer."""
    base = "/_matrix/client/v1/media" if token else "/_matrix/media/v3"
    dispatcher = (client or town.here.media_client).dispatcher
    route, parameters = dispatcher.router.find("GET", (base + path).partition("?")[0])
    request = make_request("GET", base + path, parameters=parameters, token=token)
    answer = await dispatcher.answer(route, request)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    headers["Content-Type"] = answer.content_type.decode()
    if isinstance(answer, FileAnswer):
        body = answer.part.read(answer.part.length)
        answer.part.close()
        return answer.status, body, headers
    return answer.status, json.loads(answer.body)["errcode"], headers


def parts(media: bytes, headers: str = "Content-Type: text/plain\r\n") -> Reply:
    body = b"--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\n"
    body += headers.encode() + b"\r\n" + media + b"\r\n--x--\r\n"
    return Reply(body=body, headers={"Content-Type": "multipart/mixed; boundary=x"})


async def uploaded(town: Town, body: bytes, content_type: str, name: str) -> ContentUri:
    alice = town.there.person("alice")
    upload = Upload(io.BytesIO(body), len(body), content_type, name)
    return await town.there.repository.upload(alice.requester, upload)


@pytest.mark.parametrize("size", [0, 11, 350_000])
async def test_media_is_fetched_once_and_kept(town: Town, size: int) -> None:
    town.open()
    body = b"hello world" * (size // 11)
    uri = await uploaded(town, body, "text/plain", "grün.txt")
    path = f"/download/{uri.server_name}/{uri.media_id}"
    status, received, headers = await got(town, path)
    assert (status, received) == (200, body)
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Disposition"] == "inline; filename*=utf-8''gr%C3%BCn.txt"
    known = await town.here.remote_media_index.find(uri)
    assert known is not None
    assert known.content.size == len(body)
    await town.there.repository.open(await town.there.repository.find(uri, 0))
    town.internet.reactor.routes.clear()
    assert (await got(town, path))[:2] == (200, body)


async def test_thumbnails_are_made_of_what_was_fetched(town: Town) -> None:
    town.open()
    uri = await uploaded(town, PNG, "image/png", "a.png")
    path = f"/thumbnail/{uri.server_name}/{uri.media_id}?width=32&height=32&method=crop"
    status, thumbnail, _ = await got(town, path)
    assert status == 200
    assert Image.open(io.BytesIO(thumbnail)).size == (32, 32)


async def test_many_who_ask_at_once_share_one_fetch(town: Town) -> None:
    town.answers(parts(b"hello"))
    answers = await together(*(got(town, f"/download/{PLACE}") for _ in range(5)))
    assert [body for _, body, _ in answers] == [b"hello"] * 5
    assert len(town.received) == 1


async def test_media_that_is_lost_here_is_fetched_again(town: Town) -> None:
    town.answers(parts(b"hello"))
    await got(town, f"/download/{PLACE}")
    for path in (town.here.media_store.incoming.parent / "content").rglob("*"):
        if path.is_file():
            path.unlink()
    assert (await got(town, f"/download/{PLACE}"))[:2] == (200, b"hello")
    assert len(town.received) == 2


async def test_servers_that_do_not_know_the_operation_are_asked_as_clients_did(town: Town) -> None:
    headers = {"Content-Type": "text/css", "Content-Disposition": 'inline; filename="a.css"'}

    def answer(received: Received) -> Reply:
        if received.target.startswith("/_matrix/federation"):
            return UNRECOGNIZED
        return Reply(body=b"old", headers=headers)

    town.answers(answer)
    status, body, sent = await got(town, f"/download/{PLACE}")
    assert (status, body, sent["Content-Type"]) == (200, b"old", "text/css")
    assert sent["Content-Disposition"] == 'inline; filename="a.css"'
    assert town.received[1].target.startswith("/_matrix/media/v3/download/hs/abc?")
    assert "allow_remote=false" in town.received[1].target


@pytest.mark.parametrize("older", [False, True])
async def test_media_may_be_somewhere_else(town: Town, older: bool) -> None:
    url = "https://cdn.example/there?a=b"

    def answer(received: Received) -> Reply:
        if not older:
            return parts(b"", f"Location: {url}\r\n")
        if received.target.startswith("/_matrix/federation"):
            return UNRECOGNIZED
        return Reply(307, b"", {"Location": url})

    town.answers(answer)
    town.internet.zone.address("cdn.example", CDN)
    cdn = town.internet.serve(
        lambda _: Reply(body=b"from there", headers={"Content-Type": "audio/ogg"}),
        at=CDN,
        port=443,
        certificate=town.internet.ca.issue("cdn.example"),
    )
    status, body, headers = await got(town, f"/download/{PLACE}")
    assert (status, body, headers["Content-Type"]) == (200, b"from there", "audio/ogg")
    assert cdn.received[0].target == "/there?a=b"
    assert "authorization" not in cdn.received[0].headers


@pytest.mark.parametrize("url", ["http://cdn.example/", "https://127.0.0.1/", "nonsense"])
async def test_media_is_not_fetched_from_anywhere(town: Town, url: str) -> None:
    town.answers(parts(b"", f"Location: {url}\r\n"))
    assert (await got(town, f"/download/{PLACE}"))[:2] == (502, "M_UNKNOWN")


@pytest.mark.parametrize(
    "reply",
    [
        parts(b"x" * (MAX_MEDIA_BYTES + 1)),
        parts(b"x" * (2 * MAX_MEDIA_BYTES)),
        Reply(413, b'{"errcode":"M_TOO_LARGE"}'),
    ],
)
async def test_media_that_is_too_large_is_not_fetched(town: Town, reply: Reply) -> None:
    town.answers(reply)
    assert (await got(town, f"/download/{PLACE}"))[:2] == (502, "M_TOO_LARGE")
    assert await town.here.remote_media_index.find(_uri()) is None
    # That is no fault of the server.
    assert town.health.retry_at_ms(SERVER) is None


@pytest.mark.parametrize(
    ("reply", "refusal"),
    [
        (Reply(404, b'{"errcode":"M_NOT_FOUND"}'), (404, "M_NOT_FOUND")),
        (UNRECOGNIZED, (404, "M_NOT_FOUND")),
        (Reply(403, b'{"errcode":"M_FORBIDDEN"}'), (403, "M_FORBIDDEN")),
        (Reply(429, b'{"errcode":"M_LIMIT_EXCEEDED"}'), (502, "M_UNKNOWN")),
        (Reply(500, b""), (502, "M_UNKNOWN")),
        (Reply(body=b"{}"), (502, "M_UNKNOWN")),
    ],
)
async def test_what_servers_refuse(town: Town, reply: Reply, refusal: tuple[int, str]) -> None:
    town.answers(reply)
    assert (await got(town, f"/download/{PLACE}"))[:2] == refusal


async def test_a_server_that_is_away(town: Town) -> None:
    assert (await got(town, "/download/nowhere.example/abc"))[:2] == (502, "M_UNKNOWN")
    assert (await got(town, "/download/denied.example/abc"))[:2] == (403, "M_FORBIDDEN")


async def test_whoever_does_not_want_to_wait_is_told_to_come_again(town: Town) -> None:
    town.open()
    alice = town.there.person("alice")
    uri, _ = await town.there.repository.create(alice.requester)
    path = f"/download/{uri.server_name}/{uri.media_id}"
    asking = Deferred.fromCoroutine(got(town, f"{path}?timeout_ms=500"))
    while not town.there.clock._calls:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    town.here.clock.advance(0.5)
    assert (await asking)[:2] == (504, "M_NOT_YET_UPLOADED")
    # What was begun goes on.
    upload = Upload(io.BytesIO(b"late"), 4, "text/plain")
    await town.there.repository.upload_to(uri, alice.requester, upload)
    assert (await got(town, path))[:2] == (200, b"late")


async def test_clients_may_want_only_what_is_of_this_server(town: Town) -> None:
    town.answers(parts(b"hello"))
    path = f"/download/{PLACE}?allow_remote=false"
    assert (await got(town, path))[:2] == (404, "M_NOT_FOUND")
    assert town.received == []


async def test_media_that_is_blocked_or_quarantined_is_not_served(town: Town) -> None:
    town.answers(parts(b"hello"))
    blocking = town.here.media_api(is_blocked=lambda uri: uri == _uri())
    assert (await got(town, f"/download/{PLACE}", blocking))[:2] == (404, "M_NOT_FOUND")
    assert not await town.here.remote_media_index.quarantine(_uri())
    assert (await got(town, f"/download/{PLACE}"))[0] == 200
    assert await town.here.remote_media_index.quarantine(_uri())
    assert (await got(town, f"/download/{PLACE}"))[:2] == (404, "M_NOT_FOUND")


async def test_frozen_endpoints_serve_what_was_fetched_before(town: Town) -> None:
    town.answers(parts(b"hello"))
    assert (await got(town, f"/download/{PLACE}", token=None))[0] == 200
    now_ms = town.here.clock.now_ms()
    later = town.here.media_api(unauthenticated_until_ms=now_ms + 1)
    frozen = town.here.media_api(unauthenticated_until_ms=now_ms)
    assert (await got(town, f"/download/{PLACE}", later, None))[0] == 200
    assert (await got(town, f"/download/{PLACE}", frozen, None))[0] == 404
    assert (await got(town, f"/download/{SERVER}/new", later, None))[0] == 404
    assert (await got(town, f"/download/{PLACE}", frozen))[0] == 200


def _uri() -> ContentUri:
    return make_content_uri(SERVER, "abc")
