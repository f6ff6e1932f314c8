"""Other servers fetch media."""

from __future__ import annotations

import io
from email.message import Message
from email.parser import BytesParser

import pytest
from PIL import Image

from homeserver.domain.content_uris import ContentUri
from homeserver.domain.requester import Requester
from homeserver.services.media.media import Upload
from tests.federation.resident import Resident, Said
from tests.homeserver.media_server import decoded, encoded
from tests.rooms_fixture import Person

PNG = encoded(Image.new("RGB", (1000, 800), "teal"))
NOT_FOUND = (404, "M_NOT_FOUND")


async def uploaded(
    here: Resident, alice: Person, body: bytes, content_type: str, name: str | None = None
) -> ContentUri:
    upload = Upload(io.BytesIO(body), len(body), content_type, name)
    return await here.repository.upload(alice.requester, upload)


def parts_of(said: Said) -> list[Message]:
    assert said.status == 200
    head = f"Content-Type: {said.content_type}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + said.body)
    parts: object = message.get_payload()
    assert isinstance(parts, list)
    return parts


@pytest.mark.parametrize("size", [0, 5, 300_000])
async def test_media_comes_in_two_parts(here: Resident, alice: Person, size: int) -> None:
    body = b"\r\n--x" * (size // 5)
    uri = await uploaded(here, alice, body, "application/x-test", "grün.bin")
    said = await here.asked(f"/media/download/{uri.media_id}")
    assert said.content_type.startswith("multipart/mixed; boundary=")
    metadata, file = parts_of(said)
    assert metadata.get_content_type() == "application/json"
    assert metadata.get_payload() == "{}"
    assert file.get_content_type() == "application/x-test"
    assert file.get_filename() == "grün.bin"
    assert body in said.body
    boundary = said.content_type.partition("boundary=")[2].encode()
    assert said.body.endswith(body + b"\r\n--" + boundary + b"--\r\n")


async def test_a_thumbnail_comes_in_two_parts(here: Resident, alice: Person) -> None:
    uri = await uploaded(here, alice, PNG, "image/png")
    path = f"/media/thumbnail/{uri.media_id}?width=32&height=32&method=crop"
    _, file = parts_of(await here.asked(path))
    payload = file.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert file.get_content_type() in ("image/png", "image/jpeg", "image/webp")


async def test_a_thumbnail_that_is_the_picture_itself(here: Resident, alice: Person) -> None:
    small = encoded(Image.new("RGB", (20, 10), "teal"))
    uri = await uploaded(here, alice, small, "image/png")
    said = await here.asked(f"/media/thumbnail/{uri.media_id}?width=64&height=64")
    assert small in said.body
    assert decoded(small).size == (20, 10)


async def test_what_is_not_here_is_not_found(here: Resident, alice: Person) -> None:
    assert (await here.asked("/media/download/nothing")).refusal == NOT_FOUND
    assert (await here.asked("/media/thumbnail/nothing?width=1&height=1")).refusal == NOT_FOUND
    uri, _ = await here.repository.create(Requester(alice.user_id, None, 1))
    pending = await here.asked(f"/media/download/{uri.media_id}?timeout_ms=0")
    assert pending.refusal == (504, "M_NOT_YET_UPLOADED")


async def test_malformed_requests_are_refused(here: Resident, alice: Person) -> None:
    uri = await uploaded(here, alice, b"no picture", "text/plain")
    path = f"/media/thumbnail/{uri.media_id}"
    assert (await here.asked(path)).refusal == (400, "M_MISSING_PARAM")
    assert (await here.asked(f"{path}?width=0&height=1")).refusal == (400, "M_INVALID_PARAM")
    assert (await here.asked(f"{path}?width=9&height=9")).refusal == (400, "M_UNKNOWN")
    assert (await here.asked("/media/download/a%20b")).refusal == (400, "M_INVALID_PARAM")
    assert (await here.asked(f"/media/download/{uri.media_id}", by=None)).status == 401
