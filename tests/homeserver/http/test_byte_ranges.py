"""Range headers."""

from __future__ import annotations

import pytest

from homeserver.http.byte_ranges import ByteRange, Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", ByteRange(0, 1000)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=10-19", ByteRange(10, 10)),
        ("BYTES= 10-19 ", ByteRange(10, 10)),
        ("bytes=990-5000", ByteRange(990, 10)),
        ("bytes=-10", ByteRange(990, 10)),
        ("bytes=-5000", ByteRange(0, 1000)),
    ],
)
def test_one_range_is_understood(header: str, expected: ByteRange) -> None:
    assert parse_range(header, 1000) == expected


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=-", "bytes=a-b", "bytes=20-10", "bytes=0-1,5-6", "lines=0-1"],
)
def test_anything_else_asks_for_everything(header: str | None) -> None:
    assert parse_range(header, 1000) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=0-", 0)]
)
def test_what_is_not_there_cannot_be_had(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


def test_a_part_says_where_it_belongs() -> None:
    assert ByteRange(10, 20).content_range(1000) == b"bytes 10-29/1000"
