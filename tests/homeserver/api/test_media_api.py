"""The content repository over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from homeserver.services.media.media import MediaSettings
from tests.homeserver.media_server import (
    ALICE,
    BOB,
    GUEST,
    SERVER,
    SUSPENDED,
    MediaServer,
    decoded,
    encoded,
    stored_files,
)
from tests.http_wire import HttpWire, WireResponse

MEDIA = "/_matrix/media/v3"
CLIENT = "/_matrix/client/v1/media"
CSP = (
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
    "style-src 'unsafe-inline'; object-src 'self';"
)
MAX_UPLOAD_BYTES = 300_000
PNG = encoded(Image.new("RGB", (1000, 800), "teal"))
SMALL_PNG = encoded(Image.new("RGB", (20, 10), "teal"))
GIF = encoded(
    Image.new("RGB", (400, 300), "teal"),
    "GIF",
    save_all=True,
    append_images=[Image.new("RGB", (400, 300), "red")],
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MediaServer]:
    with MediaServer(tmp_path, MediaSettings(SERVER, max_upload_bytes=MAX_UPLOAD_BYTES)) as made:
        yield made


@pytest.fixture
def wire(server: MediaServer) -> Iterator[HttpWire]:
    with server.connect() as made:
        yield made


def upload(
    wire: HttpWire,
    body: bytes,
    content_type: str | None = "image/png",
    query: str = "",
    path: str = f"{MEDIA}/upload",
) -> WireResponse:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return wire.request("POST", path + query, body, token=ALICE, headers=headers)


def place(response: WireResponse) -> str:
    """``hs/<media ID>`` of an upload."""
    assert response.status == 200
    uri: str = json.loads(response.body)["content_uri"]
    assert uri.startswith("mxc://hs/")
    return uri.removeprefix("mxc://")


def download(wire: HttpWire, path: str, **headers: str) -> WireResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return wire.request("GET", f"{CLIENT}/download/{path}", token=ALICE, headers=named)


def refusal(response: WireResponse) -> tuple[int, str]:
    return response.status, json.loads(response.body)["errcode"]


def test_an_upload_comes_back_with_the_headers_of_the_specification(wire: HttpWire) -> None:
    where = place(upload(wire, PNG, query="?filename=sunset.png"))

    response = download(wire, where)

    assert response.status == 200
    assert response.body == PNG
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-length"] == str(len(PNG))
    assert response.headers["content-disposition"] == 'inline; filename="sunset.png"'
    assert response.headers["content-security-policy"] == CSP
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["cache-control"] == "private, max-age=86400, immutable"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("version", ["v3", "r0", "v1"])
def test_the_older_endpoints_serve_the_same_without_a_token(wire: HttpWire, version: str) -> None:
    older = f"/_matrix/media/{version}"
    where = place(upload(wire, PNG, path=f"{older}/upload"))

    got = wire.request("GET", f"{older}/download/{where}?allow_remote=false&allow_redirect=true")
    thumbnail = wire.request("GET", f"{older}/thumbnail/{where}?width=96&height=96&method=crop")
    config = wire.request("GET", f"{older}/config", token=ALICE)

    assert (got.status, got.body) == (200, PNG)
    assert got.headers["cache-control"] == "public, max-age=86400, immutable"
    assert (thumbnail.status, decoded(thumbnail.body).size) == (200, (96, 96))
    assert json.loads(config.body) == {"m.upload.size": MAX_UPLOAD_BYTES}


@pytest.mark.parametrize("size", [0, 1, 99_999, 100_001, MAX_UPLOAD_BYTES])
def test_uploads_of_any_size_come_back(wire: HttpWire, size: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    where = place(upload(wire, body[:size], "application/octet-stream"))
    assert download(wire, where).body == body[:size]


def test_too_large_an_upload_is_refused(wire: HttpWire) -> None:
    response = upload(wire, b"x" * (MAX_UPLOAD_BYTES + 1))
    assert refusal(response) == (413, "M_TOO_LARGE")


def test_an_upload_without_a_content_type_is_just_bytes(wire: HttpWire) -> None:
    for content_type in (None, "", "nonsense"):
        response = download(wire, place(upload(wire, b"x", content_type)))
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"] == "attachment"


def test_what_could_run_as_a_script_is_an_attachment(wire: HttpWire) -> None:
    for content_type in ("text/html", "image/svg+xml", "application/xhtml+xml"):
        response = download(wire, place(upload(wire, b"<script/>", content_type)))
        assert response.headers["content-type"] == content_type
        assert response.headers["content-disposition"] == "attachment"


def test_names_in_any_script_arrive(wire: HttpWire) -> None:
    where = place(upload(wire, PNG, query="?filename=%E6%80%BB%E8%A7%88%20%221%22.png"))
    assert (
        download(wire, where).headers["content-disposition"]
        == "inline; filename*=utf-8''%E6%80%BB%E8%A7%88%20%221%22.png"
    )


def test_a_name_in_the_path_takes_the_place_of_the_uploaders(wire: HttpWire) -> None:
    where = place(upload(wire, PNG, query="?filename=sunset.png"))
    named = download(wire, f"{where}/other%2Fname.png")
    assert named.headers["content-disposition"] == 'inline; filename="other/name.png"'
    older = wire.request("GET", f"{MEDIA}/download/{where}/b.png")
    assert older.headers["content-disposition"] == 'inline; filename="b.png"'


@pytest.mark.parametrize("name", ["a%00b", "a" * 513, "%ff"])
def test_a_file_name_that_is_no_text_is_refused_or_mended(wire: HttpWire, name: str) -> None:
    response = upload(wire, PNG, query=f"?filename={name}")
    if name == "%ff":
        assert response.status == 200
    else:
        assert refusal(response) == (400, "M_INVALID_PARAM")


def test_who_has_the_content_is_not_sent_it_again(server: MediaServer, wire: HttpWire) -> None:
    where = place(upload(wire, PNG))
    tag = download(wire, where).headers["etag"]
    assert tag.startswith('"')

    for header in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        response = download(wire, where, If_None_Match=header)
        assert (response.status, response.body) == (304, b"")
        assert response.headers["etag"] == tag
        assert "content-length" not in response.headers
        assert "transfer-encoding" not in response.headers

    assert download(wire, where, If_None_Match='"other"').status == 200


def test_what_is_not_sent_is_not_even_opened(
    server: MediaServer, wire: HttpWire, tmp_path: Path
) -> None:
    where = place(upload(wire, PNG))
    tag = download(wire, where).headers["etag"]
    for path in stored_files(tmp_path, "content"):
        path.unlink()
    assert download(wire, where, If_None_Match=tag).status == 304
    assert refusal(download(wire, where)) == (404, "M_NOT_FOUND")


def test_a_part_of_the_content_can_be_had(wire: HttpWire) -> None:
    body = bytes(range(256)) * 1000
    where = place(upload(wire, body, "video/mp4"))
    assert download(wire, where).headers["accept-ranges"] == "bytes"

    response = download(wire, where, Range="bytes=1000-200999")

    assert response.status == 206
    assert response.headers["content-range"] == f"bytes 1000-200999/{len(body)}"
    assert response.headers["content-type"] == "video/mp4"
    assert response.body == body[1000:201_000]


def test_a_range_holds_only_for_the_content_it_was_meant_for(wire: HttpWire) -> None:
    where = place(upload(wire, b"0123456789", "video/mp4"))
    tag = download(wire, where).headers["etag"]
    assert download(wire, where, Range="bytes=0-1", If_Range=tag).body == b"01"
    assert download(wire, where, Range="bytes=0-1", If_Range='"other"').body == b"0123456789"


def test_a_range_outside_of_the_content_is_refused(wire: HttpWire) -> None:
    where = place(upload(wire, b"0123456789", "video/mp4"))
    response = download(wire, where, Range="bytes=10-")
    assert response.status == 416
    assert response.headers["content-range"] == "bytes */10"
    assert download(wire, where).status == 200


def test_head_tells_what_get_would(wire: HttpWire) -> None:
    where = place(upload(wire, PNG, query="?filename=a.png"))
    response = wire.request("HEAD", f"{CLIENT}/download/{where}", token=ALICE)
    assert response.status == 200
    assert response.headers["content-length"] == str(len(PNG))
    assert response.headers["content-disposition"] == 'inline; filename="a.png"'
    assert download(wire, where).body == PNG


def create(wire: HttpWire, token: str = ALICE) -> tuple[str, int]:
    response = wire.request("POST", "/_matrix/media/v1/create", token=token)
    return place(response), json.loads(response.body)["unused_expires_at"]


def put(wire: HttpWire, where: str, body: bytes, token: str = ALICE) -> WireResponse:
    return wire.request(
        "PUT",
        f"{MEDIA}/upload/{where}?filename=late.txt",
        body,
        token=token,
        headers={"Content-Type": "text/plain"},
    )


def test_a_uri_may_be_made_before_the_upload(server: MediaServer, wire: HttpWire) -> None:
    where, expires_at = create(wire)
    assert expires_at == server.clock.now_ms() + 24 * 3600 * 1000
    assert refusal(download(wire, f"{where}?timeout_ms=0")) == (504, "M_NOT_YET_UPLOADED")

    response = put(wire, where, b"late")
    assert (response.status, json.loads(response.body)) == (200, {})

    got = download(wire, where)
    assert got.body == b"late"
    assert got.headers["content-type"] == "text/plain"
    assert got.headers["content-disposition"] == 'inline; filename="late.txt"'
    assert refusal(put(wire, where, b"again")) == (409, "M_CANNOT_OVERWRITE_MEDIA")


def test_only_who_made_a_uri_may_upload_to_it(wire: HttpWire) -> None:
    where, _ = create(wire)
    assert refusal(put(wire, where, b"x", BOB)) == (403, "M_FORBIDDEN")
    assert refusal(put(wire, "hs/unknown", b"x")) == (404, "M_NOT_FOUND")
    assert refusal(put(wire, "other.example/abc", b"x")) == (404, "M_NOT_FOUND")


def test_pending_uploads_are_limited(tmp_path: Path) -> None:
    settings = MediaSettings(SERVER, pending_uploads_max=1)
    with MediaServer(tmp_path, settings) as server, server.connect() as wire:
        create(wire)
        response = wire.request("POST", "/_matrix/media/v1/create", token=ALICE)
        assert refusal(response) == (429, "M_LIMIT_EXCEEDED")
        assert int(response.headers["retry-after"]) > 0


def test_a_download_waits_for_an_upload_that_is_on_its_way(
    server: MediaServer, wire: HttpWire
) -> None:
    where, _ = create(wire)
    with server.connect() as other:
        lines = f"GET {CLIENT}/download/{where} HTTP/1.1\r\nHost: hs\r\n"
        other.send(f"{lines}Authorization: Bearer {BOB}\r\n\r\n".encode())
        other.watch.turn()
        put(wire, where, b"late")
        assert other.response().body == b"late"


def test_a_thumbnail_has_the_headers_of_the_specification(wire: HttpWire) -> None:
    where = place(upload(wire, PNG, "application/octet-stream", "?filename=secret.png"))
    thumbnail = f"{CLIENT}/thumbnail/{where}?width=320&height=240"

    response = wire.request("GET", thumbnail, token=ALICE)

    assert response.status == 200
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["content-disposition"] == 'inline; filename="thumbnail.jpeg"'
    assert response.headers["content-security-policy"] == CSP
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert decoded(response.body).size == (300, 240)
    again = wire.request(
        "GET", thumbnail, token=ALICE, headers={"If-None-Match": response.headers["etag"]}
    )
    assert again.status == 304


def test_a_small_picture_is_its_own_thumbnail_whatever_its_uploader_called_it(
    wire: HttpWire,
) -> None:
    where = place(upload(wire, SMALL_PNG, "text/html"))
    response = wire.request("GET", f"{CLIENT}/thumbnail/{where}?width=96&height=96", token=ALICE)
    assert response.body == SMALL_PNG
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == 'inline; filename="thumbnail.png"'


@pytest.mark.parametrize(
    ("query", "moves"), [("&animated=true", True), ("&animated=false", False), ("", False)]
)
def test_thumbnails_move_only_when_asked_to(wire: HttpWire, query: str, moves: bool) -> None:
    where = place(upload(wire, GIF, "image/gif"))
    for size in ("width=96&height=96&method=crop", "width=800&height=600"):
        response = wire.request("GET", f"{CLIENT}/thumbnail/{where}?{size}{query}", token=ALICE)
        assert response.status == 200
        assert getattr(decoded(response.body), "is_animated", False) is moves
        assert response.headers["content-disposition"].startswith("inline; ")


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("", "M_MISSING_PARAM"),
        ("width=96", "M_MISSING_PARAM"),
        ("width=96&height=x", "M_INVALID_PARAM"),
        ("width=96.5&height=96", "M_INVALID_PARAM"),
        ("width=-1&height=96", "M_INVALID_PARAM"),
        ("width=0&height=96", "M_INVALID_PARAM"),
        ("width=96&height=99999999999999999999", "M_INVALID_PARAM"),
        ("width=96&height=96&method=stretch", "M_INVALID_PARAM"),
        ("width=96&height=96&animated=maybe", "M_INVALID_PARAM"),
        ("width=96&height=96&timeout_ms=soon", "M_INVALID_PARAM"),
    ],
)
def test_a_request_for_a_thumbnail_that_makes_no_sense_is_refused(
    wire: HttpWire, query: str, errcode: str
) -> None:
    where = place(upload(wire, PNG))
    response = wire.request("GET", f"{CLIENT}/thumbnail/{where}?{query}", token=ALICE)
    assert refusal(response) == (400, errcode)


def test_there_are_no_thumbnails_of_anything_but_pictures(wire: HttpWire) -> None:
    for body in (b"just text", PNG[: len(PNG) // 2]):
        where = place(upload(wire, body))
        response = wire.request("GET", f"{CLIENT}/thumbnail/{where}?width=9&height=9", token=ALICE)
        assert refusal(response) == (400, "M_UNKNOWN")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("hs/unknown", (404, "M_NOT_FOUND")),
        ("other.example/abc", (404, "M_NOT_FOUND")),
        ("hs/a.b", (400, "M_INVALID_PARAM")),
        ("hs/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd", (400, "M_INVALID_PARAM")),
        ("no server/abc".replace(" ", "%20"), (400, "M_INVALID_PARAM")),
        ("hs/abc?timeout_ms=x", (400, "M_INVALID_PARAM")),
        ("hs/a/b/c", (404, "M_UNRECOGNIZED")),
    ],
)
def test_media_that_is_not_here_is_not_found(
    wire: HttpWire, where: str, expected: tuple[int, str]
) -> None:
    assert refusal(download(wire, where)) == expected


def test_a_freeze_is_for_the_older_endpoints(tmp_path: Path) -> None:
    settings = MediaSettings(SERVER, unauthenticated_until_ms=0)
    with MediaServer(tmp_path, settings) as server, server.connect() as wire:
        where = place(upload(wire, PNG))
        for path in (f"download/{where}", f"thumbnail/{where}?width=9&height=9"):
            assert refusal(wire.request("GET", f"{MEDIA}/{path}")) == (404, "M_NOT_FOUND")
            # A token does not help there.
            response = wire.request("GET", f"{MEDIA}/{path}", token=ALICE)
            assert refusal(response) == (404, "M_NOT_FOUND")
            assert wire.request("GET", f"{CLIENT}/{path}", token=ALICE).status == 200


ENDPOINTS: list[tuple[str, str]] = [
    ("POST", f"{MEDIA}/upload"),
    ("PUT", f"{MEDIA}/upload/hs/abc"),
    ("POST", "/_matrix/media/v1/create"),
    ("GET", f"{MEDIA}/config"),
    ("GET", f"{CLIENT}/config"),
    ("GET", f"{CLIENT}/download/hs/abc"),
    ("GET", f"{CLIENT}/download/hs/abc/name"),
    ("GET", f"{CLIENT}/thumbnail/hs/abc?width=1&height=1"),
]


@pytest.mark.parametrize(("method", "target"), ENDPOINTS)
def test_a_token_is_needed(wire: HttpWire, method: str, target: str) -> None:
    assert refusal(wire.request(method, target)) == (401, "M_MISSING_TOKEN")
    assert refusal(wire.request(method, target, token="no")) == (401, "M_UNKNOWN_TOKEN")


def test_guests_may_look_but_not_upload(wire: HttpWire) -> None:
    where = place(upload(wire, PNG))
    for path in (f"download/{where}", f"thumbnail/{where}?width=9&height=9"):
        assert wire.request("GET", f"{CLIENT}/{path}", token=GUEST).status == 200
    for method, target in ENDPOINTS[:3]:
        response: Any = wire.request(method, target, token=GUEST)
        assert refusal(response) == (403, "M_GUEST_ACCESS_FORBIDDEN")


def test_suspended_users_may_look_but_not_upload(wire: HttpWire) -> None:
    where = place(upload(wire, PNG))
    assert wire.request("GET", f"{CLIENT}/download/{where}", token=SUSPENDED).status == 200
    response = wire.request("POST", f"{MEDIA}/upload", b"x", token=SUSPENDED)
    assert refusal(response) == (403, "M_USER_SUSPENDED")
