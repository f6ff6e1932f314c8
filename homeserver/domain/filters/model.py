"""Filters as clients write them.

Client-server API, "Filtering", ``POST /user/{userId}/filter``. A list that is absent (None) does
not restrict anything, while an empty list lets nothing through. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, InvalidParam
from homeserver.domain.identifiers import parse_room_id, parse_user_id


class EventFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to include of events of one sort."""

    limit: int | None = None
    """How many events to return at most."""
    senders: tuple[str, ...] | None = None
    not_senders: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    """Event types, in which ``*`` stands for any characters."""
    not_types: tuple[str, ...] | None = None


class RoomEventFilter(EventFilter, frozen=True, kw_only=True, omit_defaults=True):
    """What to include of the events of rooms."""

    rooms: tuple[str, ...] | None = None
    not_rooms: tuple[str, ...] | None = None
    contains_url: bool | None = None
    """Whether the content must have, or must not have, a ``url``."""
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False
    related_by_rel_types: tuple[str, ...] | None = None
    """Only events to which others relate by one of these relation types (MSC3440)."""
    related_by_senders: tuple[str, ...] | None = None
    """Only events to which events of one of these senders relate (MSC3440)."""


_NO_ROOM_EVENT_FILTER = RoomEventFilter()
_NO_EVENT_FILTER = EventFilter()


class RoomFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to include of rooms. ``rooms`` and ``not_rooms`` prevail over those further inside."""

    rooms: tuple[str, ...] | None = None
    not_rooms: tuple[str, ...] | None = None
    include_leave: bool = False
    state: RoomEventFilter = _NO_ROOM_EVENT_FILTER
    timeline: RoomEventFilter = _NO_ROOM_EVENT_FILTER
    ephemeral: RoomEventFilter = _NO_ROOM_EVENT_FILTER
    account_data: RoomEventFilter = _NO_ROOM_EVENT_FILTER


_NO_ROOM_FILTER = RoomFilter()


class Filter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to include of everything that `/sync` returns."""

    event_fields: tuple[str, ...] | None = None
    """Dot-separated paths of the properties of events to include."""
    event_format: Literal["client", "federation"] = "client"
    presence: EventFilter = _NO_EVENT_FILTER
    account_data: EventFilter = _NO_EVENT_FILTER
    room: RoomFilter = _NO_ROOM_FILTER


def parse_filter(definition: JsonObject) -> Filter:
    """Check a filter of `/sync`.

    Raises BadJson for wrong types, InvalidParam for limits and IDs that are none.
    """
    parsed = _convert(definition, Filter)
    for event_filter in (parsed.presence, parsed.account_data):
        _check_event_filter(event_filter)
    room = parsed.room
    _check_rooms(room.rooms, room.not_rooms)
    for room_event_filter in (room.state, room.timeline, room.ephemeral, room.account_data):
        _check_room_event_filter(room_event_filter)
    return parsed


def parse_room_event_filter(definition: JsonObject) -> RoomEventFilter:
    """Check a filter of the events of a room, as `/messages`, `/context` and `/search` take it.

    Raises like `parse_filter`.
    """
    parsed = _convert(definition, RoomEventFilter)
    _check_room_event_filter(parsed)
    return parsed


_Model = TypeVar("_Model", Filter, RoomEventFilter)


def _convert(definition: JsonObject, model: type[_Model]) -> _Model:
    try:
        return msgspec.convert(definition, model)
    except msgspec.ValidationError as error:
        raise BadJson(f"The filter is malformed: {error}") from error


def _check_room_event_filter(event_filter: RoomEventFilter) -> None:
    _check_event_filter(event_filter)
    _check_rooms(event_filter.rooms, event_filter.not_rooms)
    _check_users(event_filter.related_by_senders)


def _check_event_filter(event_filter: EventFilter) -> None:
    # Zero is not allowed either, but clients that want as little as possible send it.
    if event_filter.limit is not None and event_filter.limit < 0:
        raise InvalidParam("The limit of a filter must be greater than 0")
    _check_users(event_filter.senders)
    _check_users(event_filter.not_senders)


def _check_users(user_ids: tuple[str, ...] | None) -> None:
    for user_id in user_ids or ():
        parse_user_id(user_id)


def _check_rooms(*lists: tuple[str, ...] | None) -> None:
    for room_ids in lists:
        for room_id in room_ids or ():
            parse_room_id(room_id)
