"""Telling image formats apart."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from homeserver.domain.picture_types import HEADER_BYTES, picture_type


@pytest.mark.parametrize("name", ["png", "jpeg", "gif", "webp", "avif"])
def test_a_picture_is_known_by_how_it_begins(name: str) -> None:
    file = io.BytesIO()
    try:
        Image.new("RGB", (3, 3)).save(file, name)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow does not write {name}")
    assert picture_type(file.getvalue()[:HEADER_BYTES]) == f"image/{name}"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x89PNG",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypmp42",
        b"BM\0\0\0\0",
        b"II*\0",
        b"%!PS-Adobe-3.0 EPSF-3.0",
    ],
)
def test_anything_else_is_no_picture(header: bytes) -> None:
    assert picture_type(header) is None
