"""Filters made ready to be applied to many events.

Client-server API, "Filtering". Users with equal filters share the result, and ``fingerprint``,
which is the same in every process, is the key for whatever else they share.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from homeserver.domain.filters.event_fields import EventFields
from homeserver.domain.filters.model import EventFilter, Filter, RoomEventFilter, RoomFilter
from homeserver.domain.globs import compile_wildcard

COMPILED_FILTERS: Final = 4096
"""How many compiled filters are kept."""

_MatchesType: TypeAlias = Callable[[str], bool]

_encode = msgspec.json.Encoder(order="sorted").encode


@attrs.frozen
class _Choice:
    """What a pair of lists, such as ``senders`` and ``not_senders``, lets through."""

    included: frozenset[str] | None
    excluded: frozenset[str]

    @classmethod
    def of(cls, included: tuple[str, ...] | None, excluded: tuple[str, ...] | None) -> _Choice:
        return cls(None if included is None else frozenset(included), frozenset(excluded or ()))

    @property
    def is_pass_all(self) -> bool:
        return self.included is None and not self.excluded

    @property
    def is_pass_none(self) -> bool:
        return self.included is not None and not self.included - self.excluded

    def __contains__(self, value: str | None) -> bool:
        return value not in self.excluded and (self.included is None or value in self.included)


@attrs.frozen
class CompiledEventFilter:
    """Decides about events of one sort."""

    limit: int | None
    """How many events to return at most, at least 1."""
    is_pass_all: bool
    """Every event passes; `matches` need not be asked."""
    is_pass_none: bool
    """No event passes; none need be read."""
    _types: _MatchesType | None
    _not_types: _MatchesType | None
    _senders: _Choice

    def matches(self, event_type: str, sender: str | None) -> bool:
        """Whether an event passes.

        ``sender`` is None for what has no sender, such as account data and receipts; it is in no
        list of senders.
        """
        if self._types is not None and not self._types(event_type):
            return False
        if self._not_types is not None and self._not_types(event_type):
            return False
        return sender in self._senders


@attrs.frozen
class CompiledRoomEventFilter:
    """Decides about events of rooms."""

    limit: int | None
    """How many events to return at most, at least 1."""
    lazy_load_members: bool
    include_redundant_members: bool
    unread_thread_notifications: bool
    contains_url: bool | None
    """Whether the content must have, or must not have, a ``url``; None if it does not matter."""
    related_by_rel_types: frozenset[str] | None
    related_by_senders: frozenset[str] | None
    """These two are not looked at by `matches`: they ask for what relates to the event."""
    types: frozenset[str] | None
    senders: frozenset[str] | None
    """The only types and senders of which events can pass, so that others need not be read; None
    where these cannot be told."""
    is_pass_all: bool
    """Every event of every room passes; `matches` need not be asked."""
    is_pass_none: bool
    """No event passes; none need be read."""
    fingerprint: bytes
    """16 bytes that do not depend on the order in lists nor on spelled-out defaults."""
    _events: CompiledEventFilter
    _rooms: _Choice

    @property
    def asks_relations(self) -> bool:
        """Whether only events pass to which others relate."""
        return self.related_by_rel_types is not None or self.related_by_senders is not None

    def matches_room(self, room_id: str) -> bool:
        """Whether events of the room can pass at all."""
        return room_id in self._rooms

    def matches(self, event_type: str, sender: str | None, *, has_url: bool = False) -> bool:
        """Whether an event of a room that passes does so as well.

        ``has_url`` need only be right when `contains_url` is not None. ``sender`` is as in
        `CompiledEventFilter.matches`.
        """
        if self.contains_url is not None and self.contains_url != has_url:
            return False
        return self._events.matches(event_type, sender)


@attrs.frozen
class CompiledRoomFilter:
    """Decides about rooms and their parts."""

    include_leave: bool
    state: CompiledRoomEventFilter
    timeline: CompiledRoomEventFilter
    ephemeral: CompiledRoomEventFilter
    account_data: CompiledRoomEventFilter
    is_pass_all: bool
    """Everything of every room that the user is in passes."""
    fingerprint: bytes
    """16 bytes that do not depend on the order in lists nor on spelled-out defaults."""
    _rooms: _Choice

    def matches_room(self, room_id: str) -> bool:
        return room_id in self._rooms


@attrs.frozen
class CompiledFilter:
    """Decides about everything that `/sync` returns."""

    event_fields: EventFields | None
    """The fields to send of events; None for all."""
    federation_format: bool
    """Whether events are sent as servers exchange them."""
    presence: CompiledEventFilter
    account_data: CompiledEventFilter
    room: CompiledRoomFilter
    is_pass_all: bool
    """The filter leaves nothing out of events or answers."""
    fingerprint: bytes
    """16 bytes that do not depend on the order in lists nor on spelled-out defaults."""


@lru_cache(maxsize=COMPILED_FILTERS)
def compile_filter(definition: Filter) -> CompiledFilter:
    """Compile a filter of `/sync`; equal filters give the same object while it is remembered."""
    presence = _compile_event_filter(definition.presence)
    account_data = _compile_event_filter(definition.account_data)
    room = _compile_room_filter(definition.room)
    # The server may send more fields than asked for, and events without any are of no use.
    event_fields = EventFields.of(definition.event_fields) if definition.event_fields else None
    parts = (presence, account_data, room)
    return CompiledFilter(
        event_fields=event_fields,
        federation_format=definition.event_format == "federation",
        presence=presence,
        account_data=account_data,
        room=room,
        is_pass_all=event_fields is None and all(part.is_pass_all for part in parts),
        fingerprint=_fingerprint(definition),
    )


@lru_cache(maxsize=COMPILED_FILTERS)
def compile_room_event_filter(definition: RoomEventFilter) -> CompiledRoomEventFilter:
    """Compile a filter of the events of rooms; equal filters give the same object."""
    events = _compile_event_filter(definition)
    rooms = _Choice.of(definition.rooms, definition.not_rooms)
    rel_types, related_senders = definition.related_by_rel_types, definition.related_by_senders
    extras = (definition.contains_url, rel_types, related_senders)
    return CompiledRoomEventFilter(
        limit=events.limit,
        lazy_load_members=definition.lazy_load_members,
        include_redundant_members=definition.include_redundant_members,
        unread_thread_notifications=definition.unread_thread_notifications,
        contains_url=definition.contains_url,
        related_by_rel_types=None if rel_types is None else frozenset(rel_types),
        related_by_senders=None if related_senders is None else frozenset(related_senders),
        types=_only_types(definition.types),
        senders=_only(definition.senders),
        is_pass_all=events.is_pass_all and rooms.is_pass_all and extras == (None, None, None),
        is_pass_none=(
            events.is_pass_none or rooms.is_pass_none or rel_types == () or related_senders == ()
        ),
        fingerprint=_fingerprint(definition),
        events=events,
        rooms=rooms,
    )


def _compile_room_filter(definition: RoomFilter) -> CompiledRoomFilter:
    state = compile_room_event_filter(definition.state)
    timeline = compile_room_event_filter(definition.timeline)
    ephemeral = compile_room_event_filter(definition.ephemeral)
    account_data = compile_room_event_filter(definition.account_data)
    rooms = _Choice.of(definition.rooms, definition.not_rooms)
    parts = (state, timeline, ephemeral, account_data)
    return CompiledRoomFilter(
        include_leave=definition.include_leave,
        state=state,
        timeline=timeline,
        ephemeral=ephemeral,
        account_data=account_data,
        is_pass_all=rooms.is_pass_all and all(part.is_pass_all for part in parts),
        fingerprint=_fingerprint(definition),
        rooms=rooms,
    )


def _compile_event_filter(definition: EventFilter) -> CompiledEventFilter:
    types, not_types = definition.types, definition.not_types
    every_type = types is None or "*" in types
    senders = _Choice.of(definition.senders, definition.not_senders)
    return CompiledEventFilter(
        limit=None if definition.limit is None else max(definition.limit, 1),
        is_pass_all=every_type and not not_types and senders.is_pass_all,
        is_pass_none=types == () or "*" in (not_types or ()) or senders.is_pass_none,
        types=None if every_type else _compile_types(types or ()),
        not_types=_compile_types(not_types) if not_types else None,
        senders=senders,
    )


def _only_types(patterns: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if any("*" in pattern for pattern in patterns or ()) else _only(patterns)


def _only(values: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _compile_types(patterns: tuple[str, ...]) -> _MatchesType:
    literals = frozenset(pattern for pattern in patterns if "*" not in pattern)
    wildcards = [compile_wildcard(pattern) for pattern in patterns if "*" in pattern]
    if not wildcards:
        return literals.__contains__
    return lambda event_type: (
        event_type in literals or any(matches(event_type) for matches in wildcards)
    )


def _fingerprint(definition: msgspec.Struct) -> bytes:
    return sha256(_encode(_normalised(definition))).digest()[:16]


def _normalised(definition: msgspec.Struct) -> dict[str, Any]:
    """A filter as JSON without what is as by default, and with its lists in one order."""
    normal: dict[str, Any] = {}
    for field in msgspec.structs.fields(definition):
        value = getattr(definition, field.name)
        if value == field.default:
            continue
        if isinstance(value, msgspec.Struct):
            value = _normalised(value)
        elif isinstance(value, tuple):
            value = sorted(set(value))
        normal[field.name] = value
    return normal
