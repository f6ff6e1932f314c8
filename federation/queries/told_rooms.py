"""Rooms as other servers describe them: what of it makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from homeserver.domain.canonical_json import encode_lenient_json
from homeserver.domain.errors import BadJson, InvalidParam
from homeserver.domain.identifiers import RoomId, parse_room_id
from homeserver.domain.room_summary import RoomSummary
from homeserver.ports.federation.remote_spaces import ToldChild

MOST_ROOMS: Final = 1_000
"""How many rooms one answer may tell of."""

_TEXTS: Final = (
    "name",
    "topic",
    "avatar_url",
    "canonical_alias",
    "room_type",
    "encryption",
    "room_version",
)
_MOST: Final = 2**53 - 1


def read_summary(told: Any) -> RoomSummary | None:
    """A summary; None for what is none. Fields that make no sense are left out."""
    if not isinstance(told, dict):
        return None
    room_id = _room_id(told.get("room_id"))
    if room_id is None:
        return None
    members, rule = told.get("num_joined_members"), told.get("join_rule")
    allowed = told.get("allowed_room_ids")
    rooms = [_room_id(each) for each in (allowed if isinstance(allowed, list) else [])]
    return RoomSummary(
        room_id=room_id,
        num_joined_members=_count(members),
        world_readable=told.get("world_readable") is True,
        guest_can_join=told.get("guest_can_join") is True,
        # "If not present, the room is assumed to be public".
        join_rule=rule if isinstance(rule, str) else "public",
        allowed_room_ids=tuple(room for room in rooms if room is not None),
        **{name: told[name] for name in _TEXTS if isinstance(told.get(name), str) and told[name]},
    )


def read_summaries(told: Any) -> list[RoomSummary]:
    """The summaries in a list."""
    rooms = told if isinstance(told, list) else []
    read = (read_summary(room) for room in rooms[:MOST_ROOMS])
    return [summary for summary in read if summary is not None]


def read_children(told: Any) -> Iterator[ToldChild]:
    """The `m.space.child` events in a list."""
    for child in (told if isinstance(told, list) else [])[:MOST_ROOMS]:
        match child:
            case {
                "type": "m.space.child" as type,
                "state_key": str(key),
                "content": dict(content),
                "sender": str(sender),
                "origin_server_ts": int(ts),
            } if _is_count(ts) and _room_id(key) is not None:
                try:
                    raw_content = encode_lenient_json(content)
                except BadJson:
                    continue
                yield ToldChild(type, key, content, raw_content, sender, ts)


def _room_id(told: Any) -> RoomId | None:
    try:
        return parse_room_id(told) if isinstance(told, str) else None
    except InvalidParam:
        return None


def _is_count(told: Any) -> bool:
    return type(told) is int and 0 <= told <= _MOST


def _count(told: Any) -> int:
    return int(told) if _is_count(told) else 0
