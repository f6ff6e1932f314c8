"""Reading answers of two parts as they arrive."""

from __future__ import annotations

import pytest

from federation.queries.multipart_media import (
    MAX_HEADER_BYTES,
    MAX_METADATA_BYTES,
    BrokenParts,
    MultipartMedia,
)

TYPE = 'multipart/mixed; boundary="a b"'


def answer(media: bytes, headers: bytes = b"Content-Type: image/png\r\n") -> bytes:
    metadata = b"--a b\r\nContent-Type: application/json\r\n\r\n{}\r\n"
    return metadata + b"--a b\r\n" + headers + b"\r\n" + media + b"\r\n--a b--\r\n"


def read(body: bytes, step: int = 1_000_000, content_type: str = TYPE) -> tuple[bytes, str | None]:
    media = bytearray()
    parts = MultipartMedia(content_type, media.extend)
    for start in range(0, len(body), step):
        parts.take(body[start : start + step])
    parts.finish()
    return bytes(media), parts.headers.get("Content-Type")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "media", [b"", b"\r\n", b"x--a b", b"\r\n--a\r\n--a ", b"x" * 500, b"\r\n\r\n--"]
)
def test_the_media_is_what_is_between_the_delimiters(media: bytes, step: int) -> None:
    assert read(answer(media), step) == (media, "image/png")


@pytest.mark.parametrize("step", [1, 1000])
def test_parts_may_have_no_headers_and_no_body(step: int) -> None:
    assert read(answer(b"x", b""), step) == (b"x", None)
    body = b"--a b\r\n\r\n{}\r\n--a b\r\nContent-Type: x/y\r\n\r\n--a b--"
    assert read(body, step) == (b"", "x/y")


@pytest.mark.parametrize("step", [1, 1000])
def test_what_is_around_the_parts_is_passed_over(step: int) -> None:
    body = b"preamble\r\n" + answer(b"x").replace(b"--a b\r\n", b"--a b \t\r\n") + b"epilogue"
    assert read(body, step)[0] == b"x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        answer(b"x")[:-10],
        b"--a b--",
        b"--a b\r\n\r\n{}\r\n--a b--",
        answer(b"x").replace(b"\r\n--a b--", b"\r\n--a b\r\n\r\nthird\r\n--a b--"),
        answer(b"x").replace(b"--a b\r\n", b"--a bc\r\n"),
        answer(b"x", b"X: " + b"x" * MAX_HEADER_BYTES),
        b"x" * (MAX_METADATA_BYTES + 100) + answer(b"x"),
    ],
)
def test_answers_of_another_form_are_refused(body: bytes) -> None:
    with pytest.raises(BrokenParts):
        read(body, 100)


@pytest.mark.parametrize(
    "content_type",
    ["", "image/png", "multipart/mixed", f"multipart/mixed; boundary={'x' * 71}"],
)
def test_answers_of_another_type_are_refused(content_type: str) -> None:
    with pytest.raises(BrokenParts):
        read(answer(b"x"), 100, content_type)
