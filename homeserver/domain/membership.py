"""The membership of a user in a room, the ``membership`` of `m.room.member`.

Specification: client-server API, `m.room.member`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from homeserver.domain.events import Event


class Membership(StrEnum):
    """What a user is to a room."""

    JOIN = "join"
    INVITE = "invite"
    LEAVE = "leave"
    BAN = "ban"
    KNOCK = "knock"


def parse_membership(content: Mapping[str, Any]) -> Membership | None:
    """The membership in the content of `m.room.member`; None when there is none that we know."""
    membership = content.get("membership")
    if not isinstance(membership, str):
        return None
    try:
        return Membership(membership)
    except ValueError:
        return None


def membership_of(member_event: Event | None) -> Membership:
    """The membership that the user's current `m.room.member` event gives, if there is one.

    Who was never in the room is as who left it.
    """
    if member_event is None:
        return Membership.LEAVE
    return parse_membership(member_event.content) or Membership.LEAVE
