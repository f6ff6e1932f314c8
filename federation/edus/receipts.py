"""Receipts of users of other servers.

Server-server API, "Receipts".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs
import structlog

from federation.edus.receiver import user_of
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, MatrixError, TooLarge
from homeserver.domain.identifiers import (
    EventId,
    RoomId,
    ServerName,
    UserId,
    parse_event_id,
    parse_room_id,
)
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.receipts import UNTHREADED
from homeserver.services.messages.receipts import MAIN, READ, Receipts

MOST_RECEIPTS: Final = 1_000
"""How many receipts an EDU may have."""

log = structlog.get_logger(__name__)


@attrs.frozen(slots=True)
class _Receipt:
    room_id: RoomId
    user_id: UserId
    event_id: EventId
    thread_id: str
    ts: int


class ReceiptsReceived:
    """Takes in m.receipt; only public receipts of users who are in the room count."""

    def __init__(self, receipts: Receipts, clock: Clock) -> None:
        self._receipts = receipts
        self._clock = clock

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """See :class:`federation.edus.receiver.EduHandler`."""
        found = list(_receipts(origin, content, self._clock.now_ms()))
        for receipt in found:
            try:
                await self._receipts.move(
                    receipt.user_id,
                    receipt.room_id,
                    READ,
                    receipt.event_id,
                    receipt.thread_id,
                    receipt.ts,
                )
            except MatrixError as error:
                if error.status >= 500:
                    raise
                # The event may not be here, and receipts of others are good all the same.
                log.info("receipt_ignored", origin=origin, why=str(error))


def _receipts(origin: ServerName, content: JsonObject, now_ms: int) -> Iterator[_Receipt]:
    count = 0
    for room, of_room in content.items():
        room_id = parse_room_id(room)
        users = of_room.get(READ) if isinstance(of_room, dict) else None
        if users is None:
            continue
        if not isinstance(users, dict):
            raise BadJson("The receipts of a room must be an object")
        count += len(users)
        if count > MOST_RECEIPTS:
            raise TooLarge(f"An EDU has at most {MOST_RECEIPTS} receipts")
        for user, receipt in users.items():
            yield _receipt(room_id, user_of(origin, user), receipt, now_ms)


def _receipt(room_id: RoomId, user_id: UserId, receipt: Any, now_ms: int) -> _Receipt:
    event_ids = receipt.get("event_ids") if isinstance(receipt, dict) else None
    if not isinstance(event_ids, list) or not event_ids or not isinstance(event_ids[0], str):
        raise BadJson("`event_ids` must be an array with an event ID")
    data = receipt.get("data", {})
    if not isinstance(data, dict):
        raise BadJson("`data` must be an object")
    ts = data.get("ts")
    thread_id = data.get("thread_id", UNTHREADED)
    if thread_id not in (UNTHREADED, MAIN):
        if not isinstance(thread_id, str):
            raise BadJson("`thread_id` must be a string")
        parse_event_id(thread_id)
    return _Receipt(
        room_id=room_id,
        user_id=user_id,
        event_id=parse_event_id(event_ids[0]),
        thread_id=thread_id,
        # Nobody has read anything in the future.
        ts=min(ts, now_ms) if type(ts) is int and ts >= 0 else now_ms,
    )
