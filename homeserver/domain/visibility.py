"""History visibility: which events of a room a user may see.

Specification: client-server API, "Room History Visibility".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from homeserver.domain.membership import Membership


class HistoryVisibility(StrEnum):
    """The ``history_visibility`` of `m.room.history_visibility`."""

    WORLD_READABLE = "world_readable"
    SHARED = "shared"
    INVITED = "invited"
    JOINED = "joined"


def parse_history_visibility(content: Mapping[str, Any] | None) -> HistoryVisibility:
    """The visibility by the content of the current event; None when the room has no such event.

    What is missing or not understood is ``shared``.
    """
    value = None if content is None else content.get("history_visibility")
    if not isinstance(value, str):
        return HistoryVisibility.SHARED
    try:
        return HistoryVisibility(value)
    except ValueError:
        return HistoryVisibility.SHARED


def may_see_event(
    *,
    visibility: HistoryVisibility,
    membership: Membership,
    joined_later: bool,
    new_visibility: HistoryVisibility | None = None,
    new_membership: Membership | None = None,
) -> bool:
    """Whether a user may see an event.

    ``visibility`` and the user's ``membership`` are those in the state before the event.
    ``joined_later`` says whether the user joined the room at any point after the event; for a user
    who is joined now and was not joined at the event, that is so.

    An event that is itself the `m.room.history_visibility` event passes what it sets as
    ``new_visibility``, the user's own `m.room.member` event what it sets as ``new_membership``:
    such an event is seen when the old or the new value allows it.
    """
    visibilities = (visibility,) if new_visibility is None else (visibility, new_visibility)
    memberships = (membership,) if new_membership is None else (membership, new_membership)
    return any(
        _allows(seen_under, seen_as, joined_later)
        for seen_under in visibilities
        for seen_as in memberships
    )


def may_peek_at_event(
    visibility: HistoryVisibility, new_visibility: HistoryVisibility | None = None
) -> bool:
    """Whether users may see an event who never were in the room, guests among them.

    The arguments are as for `may_see_event`.
    """
    return HistoryVisibility.WORLD_READABLE in (visibility, new_visibility)


def _allows(visibility: HistoryVisibility, membership: Membership, joined_later: bool) -> bool:
    """The five rules of the specification, in their order."""
    if visibility is HistoryVisibility.WORLD_READABLE:
        return True
    if membership is Membership.JOIN:
        return True
    if visibility is HistoryVisibility.SHARED and joined_later:
        return True
    return membership is Membership.INVITE and visibility is HistoryVisibility.INVITED
