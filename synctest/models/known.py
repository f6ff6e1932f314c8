"""What a client knows, whichever kind of sync has told it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import attrs

JsonObject = dict[str, Any]
StateKey = tuple[str, str]
ReceiptKey = tuple[str, str, str]
"""User, type, and thread or ""."""

MEMBER = "m.room.member"


class Inconsistent(Exception):
    """An answer does not fit what the client was told before."""


@attrs.define
class KnownRoom:
    """A room as a client knows it.

    ``events`` are the ids of a part of the timeline without holes, up to its end.
    ``initial_events`` are those that came when the room was told from scratch, at ``told_at``
    (whatever counts time).
    """

    membership: str = "join"
    events: list[str] = attrs.Factory(list)
    state: dict[StateKey, str] = attrs.Factory(dict)
    stripped: list[JsonObject] = attrs.Factory(list)
    unread: tuple[int, int] = (0, 0)
    """Notifications and highlights."""
    receipts: dict[ReceiptKey, str] = attrs.Factory(dict)
    account_data: dict[str, JsonObject] = attrs.Factory(dict)
    typing: frozenset[str] = frozenset()
    initial_events: frozenset[str] = frozenset()
    told_at: int = 0

    def take_events(self, events: Iterable[JsonObject]) -> list[str]:
        """Append what is new to the timeline; the ids of what was known already."""
        known = set(self.events)
        repeated = []
        for event in events:
            if event["event_id"] in known:
                repeated.append(event["event_id"])
            else:
                known.add(event["event_id"])
                self.events.append(event["event_id"])
        return repeated

    def take_state(self, events: Iterable[JsonObject], user_id: str) -> None:
        """Put state events in their places; those without content empty them."""
        for event in events:
            key = (event["type"], event["state_key"])
            if "content" not in event:
                self.state.pop(key, None)
                continue
            self.state[key] = event["event_id"]
            if key == (MEMBER, user_id):
                self.membership = event["content"]["membership"]

    def take_receipts(self, content: JsonObject) -> None:
        """Move receipts as an m.receipt event says."""
        for event_id, by_type in content.items():
            for receipt_type, by_user in by_type.items():
                for user_id, receipt in by_user.items():
                    thread = receipt.get("thread_id", "")
                    self.receipts[user_id, receipt_type, thread] = event_id


@attrs.frozen
class Gap:
    """Events that a client lacks, before the place ``start`` of a room's timeline. They belong at
    an index of the events that it knows."""

    room_id: str
    start: str
    index: int


@attrs.frozen
class SyncRequest:
    """A request of a client."""

    method: str
    path: str
    query: dict[str, str]
    body: JsonObject | None


class ModelClient(Protocol):
    """One device that syncs."""

    user_id: str
    rooms: dict[str, KnownRoom]
    account_data: dict[str, JsonObject]
    to_device: list[JsonObject]

    def request(self, timeout_ms: int = 0) -> SyncRequest:
        """The next request, which may wait for something to tell."""
        ...

    def take_in(self, answer: JsonObject, now: int) -> list[Gap]:
        """Take in the answer to the last request, at some time; which gaps it leaves. Raises
        `Inconsistent`."""
        ...

    @property
    def is_behind(self) -> bool:
        """Whether the last answer had news, so that there may be more."""
        ...


def fill(client: ModelClient, gap: Gap, pages: Iterable[list[JsonObject]]) -> None:
    """Put into a gap what /messages gives, newest first, as far as the client lacks it."""
    room = client.rooms[gap.room_id]
    known = set(room.events)
    missing = list(_until_known(pages, known))
    room.events[gap.index : gap.index] = reversed(missing)


def _until_known(pages: Iterable[list[JsonObject]], known: set[str]) -> Iterator[str]:
    for page in pages:
        for event in page:
            if event["event_id"] in known:
                return
            yield event["event_id"]
