"""Other servers, as `myelin admin federation` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from homeserver.runtime.admin.tables import moment, table


def destination_lines(destinations: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A table of servers."""
    if not destinations:
        yield "No other server is known."
        return
    yield from table(
        ("server", "state", "behind", "failures", "next attempt", "last success"),
        [
            (
                each["server_name"],
                each["state"].replace("_", " "),
                each["behind"],
                each["failures"],
                moment(each["retry_at_ts"]),
                moment(each["last_success_ts"]),
            )
            for each in destinations
        ],
    )


def blocked_lines(blocked: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A table of the servers that are blocked."""
    if not blocked:
        yield "No server was blocked here."
        return
    yield from table(
        ("server", "since"), [(each["server_name"], moment(each["blocked_ts"])) for each in blocked]
    )
