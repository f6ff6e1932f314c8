"""What `myelin admin` prints: plain tables, and times that people can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

_GAP: Final = "  "
NOTHING: Final = "-"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a table whose columns are as wide as they must be."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield _GAP.join(cells).rstrip()


def moment(ms: int | None) -> str:
    """A time in milliseconds as a date, in UTC."""
    if ms is None:
        return NOTHING
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def either(value: object | None) -> str:
    """A value, or a sign that there is none."""
    return NOTHING if value is None else str(value)
