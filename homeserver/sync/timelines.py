"""The timeline of a room as one reader's filter leaves it, and how its events are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from homeserver.domain.filters import CompiledRoomEventFilter
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.presentation import (
    ALONE,
    Reader,
    Surroundings,
    encode,
    event_json,
)
from homeserver.rooms.view import MEMBER, NOWHERE, RoomView
from homeserver.sync.windows import SyncOptions, Window

_SUMMARISED = frozenset({MEMBER, "m.room.name", "m.room.canonical_alias"})


def wanted(room: RoomView, events: list[StoredEvent], window: Window) -> list[StoredEvent]:
    """The events that the filter and the ignored users leave; the same list when that is all."""
    timeline = window.options.filter.room.timeline
    ignored = window.session.ignored
    if not timeline.is_pass_all:
        if not shows_timeline(room, window.options):
            return []
        events = [e for e in events if passes(timeline, e)]
        if window.related is not None:
            events = [e for e in events if e.event.event_id in window.related]
    if ignored and any(e.event.sender in ignored for e in events):
        events = [
            e for e in events if e.event.sender not in ignored or e.event.state_key is not None
        ]
    return events


def shows_timeline(room: RoomView, options: SyncOptions) -> bool:
    """Whether any event of a room can pass the filter of timelines."""
    timeline = options.filter.room.timeline
    return not timeline.is_pass_none and timeline.matches_room(room.room_id)


def passes(definition: CompiledRoomEventFilter, stored: StoredEvent) -> bool:
    """Whether a filter lets an event of a room that passes it do so as well."""
    if definition.is_pass_all:
        return True
    event = stored.event
    has_url = definition.contains_url is not None and "url" in event.content
    return definition.matches(event.type, event.sender, has_url=has_url)


def state_that_can_pass(room: RoomView, options: SyncOptions) -> Callable[[str], bool]:
    """Tells of a type whether state of it can pass the filter, so that it must be read."""
    definition = options.filter.room.state
    if definition.is_pass_none or not definition.matches_room(room.room_id):
        return lambda type: False
    types = definition.types
    return (lambda type: True) if types is None else types.__contains__


def wanted_state(
    room: RoomView, events: Iterable[StoredEvent], options: SyncOptions
) -> list[StoredEvent]:
    """The state events that the filter leaves."""
    definition = options.filter.room.state
    if not definition.matches_room(room.room_id):
        return []
    return [e for e in events if passes(definition, e)]


def is_membership_of(stored: StoredEvent, user_id: UserId) -> bool:
    """Whether an event sets the membership of a user."""
    return stored.event.type == MEMBER and stored.event.state_key == user_id


def changes_summary(events: Sequence[StoredEvent]) -> bool:
    """Whether some events may change the summary of their room."""
    return any(e.event.type in _SUMMARISED for e in events)


def timeline_json(
    events: Sequence[StoredEvent],
    around: Mapping[int, Surroundings],
    memberships: Mapping[int, str],
    reader: Reader,
    options: SyncOptions,
    now_ms: int,
) -> list[bytes]:
    """Timeline events as the reader receives them."""
    return [
        shaped(
            e,
            event_json(
                e,
                now_ms,
                reader,
                around.get(e.nid, ALONE),
                membership=memberships.get(e.nid, "join"),
            ),
            options,
        )
        for e in events
    ]


def shaped(stored: StoredEvent, encoded: bytes, options: SyncOptions) -> bytes:
    """An event in the format and with the fields that the filter asks for."""
    if not options.is_shaped:
        return encoded
    definition = options.filter
    if definition.federation_format:
        unsigned = msgspec.json.decode(encoded).get("unsigned", {})
        encoded = b'%s,"unsigned":%s}' % (stored.event.pdu[:-1], encode(unsigned))
    if definition.event_fields is not None:
        encoded = encode(definition.event_fields.select(msgspec.json.decode(encoded)))
    return encoded


def gap_before(room: RoomView, until: int) -> Order:
    """The place after which the timeline of a room has no gap up to a position."""
    return (room.gap_position, -1) if 0 < room.gap_position <= until else NOWHERE


def joined_json(
    options: SyncOptions,
    *,
    timeline: list[bytes],
    limited: bool,
    prev_batch: TimelineToken,
    state: list[bytes],
    ephemeral: list[bytes],
) -> bytes:
    """The parts of a room that make up a core, as members of a JSON object."""
    return (
        b'"timeline":{"events":[%s],"limited":%s,"prev_batch":"%s"},"%s":{"events":[%s]},'
        b'"ephemeral":{"events":[%s]}'
        % (
            b",".join(timeline),
            b"true" if limited else b"false",
            str(prev_batch).encode(),
            b"state_after" if options.use_state_after else b"state",
            b",".join(state),
            b",".join(ephemeral),
        )
    )
