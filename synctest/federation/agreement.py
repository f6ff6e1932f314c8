"""Whether several servers hold the same room: the same state, and the same events."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from synctest.client import Client
from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed
from synctest.federation.deeds import StateMap, state_map
from synctest.federation.waiting import eventually
from synctest.timeline import redactions_in

TIME_TO_AGREE = 45.0


@attrs.frozen
class RoomAsSeen:
    """A room as one user sees it."""

    reader: str
    state: StateMap
    events: Mapping[str, JsonObject]


async def check_agreement(
    readers: Sequence[Client],
    room_id: str,
    *,
    timeline: bool = True,
    since: Iterable[str] = (),
    limit: float = TIME_TO_AGREE,
) -> RoomAsSeen:
    """Wait until all readers, one of each server, see the same state and the same events.

    Raises `ScenarioFailed` with what differs.  Without ``timeline``, only the state is compared;
    with ``since``, of the timeline only what is not among these event IDs: how far back a server
    goes for what happened before it came is its own affair.
    """
    before = frozenset(since)
    seen = await eventually(
        f"{len(readers)} servers to agree about {room_id}",
        lambda: _compare(readers, room_id, before if timeline else None),
        lambda found: not found.differences,
        limit=limit,
    )
    return seen.rooms[0]


@attrs.frozen
class _Comparison:
    rooms: Sequence[RoomAsSeen] = attrs.field(repr=False)
    differences: Sequence[str]


async def _compare(
    readers: Sequence[Client], room_id: str, before: frozenset[str] | None
) -> _Comparison:
    rooms = await asyncio.gather(*(_read(reader, room_id) for reader in readers))
    first, *others = rooms
    found: list[str] = []
    for other in others:
        found += _state_differences(first, other)
        if before is not None:
            found += _event_differences(first, other, before)
    return _Comparison(rooms, found[:6])


async def _read(reader: Client, room_id: str) -> RoomAsSeen:
    state = await state_map(reader, room_id)
    return RoomAsSeen(repr(reader), state, await timeline_of(reader, room_id))


async def timeline_of(reader: Client, room_id: str) -> dict[str, JsonObject]:
    """Every event of /messages by its ID; raises `ScenarioFailed` for one that is there twice."""
    events: list[JsonObject] = []
    start: str | None = None
    while True:
        page = await reader.messages(room_id, start=start)
        events += page["chunk"]
        start = page.get("end")
        if start is None:
            break
    twice = [
        key for key, count in Counter(each["event_id"] for each in events).items() if count > 1
    ]
    if twice:
        raise ScenarioFailed(f"/messages of {room_id} tells {reader!r} twice of {twice}")
    return {event["event_id"]: event for event in events}


def _state_differences(one: RoomAsSeen, other: RoomAsSeen) -> Iterable[str]:
    for key in sorted({*one.state, *other.state}):
        left, right = one.state.get(key), other.state.get(key)
        if left != right:
            yield f"state {key} is {left} for {one.reader}, {right} for {other.reader}"


def _event_differences(one: RoomAsSeen, other: RoomAsSeen, before: frozenset[str]) -> Iterable[str]:
    redacted = redactions_in([*one.events.values(), *other.events.values()])
    for event_id in sorted({*one.events, *other.events} - before):
        left, right = one.events.get(event_id), other.events.get(event_id)
        if left is None or right is None:
            lacking, event = (one, right) if left is None else (other, left)
            yield f"{lacking.reader} lacks {_brief(event)}"
        elif _essence(left, redacted) != _essence(right, redacted):
            yield f"{one.reader} sees {_brief(left)}, {other.reader} sees {_brief(right)}"


def _essence(event: JsonObject, redacted: set[str]) -> tuple[object, ...]:
    envelope = (event["type"], event["sender"], event["origin_server_ts"], event.get("state_key"))
    # Both have redacted it, whatever was left to the client.
    return envelope if event["event_id"] in redacted else (*envelope, event["content"])


def _brief(event: JsonObject | None) -> str:
    if event is None:
        return "nothing"
    content = f"{event['content']!r:.200}"
    return f"{event['event_id']} ({event['type']} from {event['sender']}: {content})"
