"""Filters: which rooms and events a client wants to see, and which fields of them.

Client-server API, "Filtering".
"""

from __future__ import annotations

from homeserver.domain.filters.compiled import (
    CompiledEventFilter,
    CompiledFilter,
    CompiledRoomEventFilter,
    CompiledRoomFilter,
    compile_filter,
    compile_room_event_filter,
)
from homeserver.domain.filters.event_fields import EventFields
from homeserver.domain.filters.model import (
    EventFilter,
    Filter,
    RoomEventFilter,
    RoomFilter,
    parse_filter,
    parse_room_event_filter,
)

__all__ = [
    "CompiledEventFilter",
    "CompiledFilter",
    "CompiledRoomEventFilter",
    "CompiledRoomFilter",
    "EventFields",
    "EventFilter",
    "Filter",
    "RoomEventFilter",
    "RoomFilter",
    "compile_filter",
    "compile_room_event_filter",
    "parse_filter",
    "parse_room_event_filter",
]
