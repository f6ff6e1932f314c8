"""How content is to be shown."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import InvalidParam
from homeserver.http.content_disposition import (
    MAX_NAME_LENGTH,
    content_disposition,
    parse_content_type,
    parse_file_name,
)


@pytest.mark.parametrize(
    ("content_type", "name", "expected"),
    [
        ("image/png", None, "inline"),
        ("image/png", "sunset.png", 'inline; filename="sunset.png"'),
        ("IMAGE/PNG", "a b.png", 'inline; filename="a b.png"'),
        ("text/plain; charset=utf-8", "a.txt", 'inline; filename="a.txt"'),
        ("text/html", "a.html", 'attachment; filename="a.html"'),
        ("image/svg+xml", None, "attachment"),
        ("application/octet-stream", "a", 'attachment; filename="a"'),
        ("application/pdf", "总览.pdf", "attachment; filename*=utf-8''%E6%80%BB%E8%A7%88.pdf"),
        ("image/png", 'a"b.png', "inline; filename*=utf-8''a%22b.png"),
        ("image/png", "a\\b", "inline; filename*=utf-8''a%5Cb"),
        ("image/png", "100%25", "inline; filename*=utf-8''100%2525"),
        ("image/png", "a\r\nX: y", "inline; filename*=utf-8''a%0D%0AX%3A%20y"),
        ("image/png", "../../etc/passwd", 'inline; filename="../../etc/passwd"'),
        ("image/png", "a;b=c,d", 'inline; filename="a;b=c,d"'),
    ],
)
def test_the_header_for_a_type_and_a_name(
    content_type: str, name: str | None, expected: str
) -> None:
    assert content_disposition(content_type, name) == expected.encode()


@pytest.mark.parametrize(
    "stated", ["image/png", "text/plain; charset=utf-8", "application/vnd.api+json", "X/y"]
)
def test_a_content_type_is_kept_as_it_was_stated(stated: str) -> None:
    assert parse_content_type(f" {stated} ") == stated


@pytest.mark.parametrize(
    "stated", [None, "", "png", "image/", "image/png\r\nX: y", "image/pñg", "a/" + "b" * 300]
)
def test_what_is_no_content_type_counts_as_unknown(stated: str | None) -> None:
    assert parse_content_type(stated) == "application/octet-stream"


def test_file_names_are_text_of_some_length() -> None:
    assert parse_file_name(None) is None
    assert parse_file_name("") is None
    assert parse_file_name("Überblick\n") == "Überblick\n"
    for wrong in ("a\0b", "a\udc80b", "a" * (MAX_NAME_LENGTH + 1)):
        with pytest.raises(InvalidParam):
            parse_file_name(wrong)
