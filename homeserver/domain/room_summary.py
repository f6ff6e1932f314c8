"""What a room shows of itself to those who are not in it, and who those may be.

Specification: client-server API, "Published room directory", "Room Summaries" and "Discovering
rooms within spaces"; the fields are those of the schema ``RoomSummary``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId
from homeserver.domain.membership import Membership
from homeserver.domain.room_versions import RoomVersion
from homeserver.domain.visibility import HistoryVisibility, parse_history_visibility

SPACE: Final = "m.space"

SUMMARY_TYPES: Final = (
    "m.room.create",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.encryption",
)
"""The types of the state events, with empty state keys, that a summary is made of."""

_KNOCK_RULES: Final = ("knock", "knock_restricted")
_RESTRICTED_RULES: Final = ("restricted", "knock_restricted")


class RoomSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """A room as its summary describes it. Encodes to the JSON of the specification."""

    room_id: RoomId
    num_joined_members: int
    world_readable: bool
    guest_can_join: bool
    join_rule: str
    name: str | None = None
    topic: str | None = None
    avatar_url: str | None = None
    canonical_alias: str | None = None
    room_type: str | None = None
    allowed_room_ids: tuple[RoomId, ...] = ()
    encryption: str | None = None
    room_version: str | None = None

    @property
    def is_space(self) -> bool:
        return self.room_type == SPACE


def summarise(
    room_id: RoomId,
    version: RoomVersion,
    joined_members: int,
    contents: Mapping[str, JsonObject],
) -> RoomSummary:
    """The summary of a room with the contents of its current state events, by type."""
    nothing: JsonObject = {}
    join_rules = contents.get("m.room.join_rules", nothing)
    join_rule = _text(join_rules, "join_rule") or "invite"
    visibility = parse_history_visibility(contents.get("m.room.history_visibility"))
    return RoomSummary(
        room_id=room_id,
        num_joined_members=joined_members,
        world_readable=visibility is HistoryVisibility.WORLD_READABLE,
        guest_can_join=guests_may_join(contents.get("m.room.guest_access")),
        join_rule=join_rule,
        name=_text(contents.get("m.room.name", nothing), "name"),
        topic=plain_topic(contents.get("m.room.topic", nothing)),
        avatar_url=_text(contents.get("m.room.avatar", nothing), "url"),
        canonical_alias=_text(contents.get("m.room.canonical_alias", nothing), "alias"),
        room_type=_text(contents.get("m.room.create", nothing), "type"),
        allowed_room_ids=tuple(allowed_rooms(join_rules) if join_rule in _RESTRICTED_RULES else ()),
        encryption=_text(contents.get("m.room.encryption", nothing), "algorithm"),
        room_version=version.identifier,
    )


def may_see_summary(
    summary: RoomSummary, membership: str | None, joined_rooms: Collection[RoomId]
) -> bool:
    """Whether a user may see the summary of a room.

    ``membership`` is what the user is to the room, ``joined_rooms`` where the user is joined; None
    and empty for somebody unknown.
    """
    if membership in (Membership.JOIN, Membership.INVITE):
        return True
    if summary.world_readable or summary.join_rule == "public":
        return True
    if summary.join_rule in _KNOCK_RULES:
        return True
    return any(room_id in joined_rooms for room_id in summary.allowed_room_ids)


def guests_may_join(guest_access: JsonObject | None) -> bool:
    """Whether guests may join, by the content of `m.room.guest_access`; None without the event."""
    return guest_access is not None and guest_access.get("guest_access") == "can_join"


def allowed_rooms(join_rules: JsonObject) -> list[RoomId]:
    """The rooms whose members may join by the content of `m.room.join_rules`, as far as it is
    well-formed. "Restricted rooms", "Conditions"."""
    allow: Any = join_rules.get("allow")
    return [
        RoomId(condition["room_id"])
        for condition in (allow if isinstance(allow, list) else [])
        if isinstance(condition, dict)
        and condition.get("type") == "m.room_membership"
        and isinstance(condition.get("room_id"), str)
    ]


def plain_topic(content: JsonObject) -> str | None:
    """The plain text in the content of `m.room.topic`."""
    block: Any = content.get("m.topic")
    texts: Any = block.get("m.text") if isinstance(block, dict) else None
    for text in texts if isinstance(texts, list) else []:
        if isinstance(text, dict) and text.get("mimetype", "text/plain") == "text/plain":
            return _text(text, "body")
    return _text(content, "topic")


def _text(content: JsonObject, field: str) -> str | None:
    value = content.get(field)
    return value if isinstance(value, str) and value else None
