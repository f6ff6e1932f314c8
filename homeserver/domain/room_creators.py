"""Who created a room, as its `m.room.create` event tells.

Specification: room versions, "Authorisation rules"; client-server API, `m.room.create`.
"""

from __future__ import annotations

from typing import Any

from homeserver.domain.events import Event
from homeserver.domain.identifiers import UserId


def room_creator(create_event: Event) -> UserId:
    """The user who created the room: ``creator`` in the content, or since version 11 the sender."""
    if create_event.version.creator_in_create_content:
        creator: Any = create_event.content.get("creator")
        if isinstance(creator, str):
            return UserId(creator)
    return create_event.sender


def privileged_creators(create_event: Event) -> frozenset[UserId]:
    """The users whose power is infinite for good: nobody before room version 12."""
    if not create_event.version.privileged_creators:
        return frozenset()
    additional: Any = create_event.content.get("additional_creators")
    if not isinstance(additional, list):
        additional = []
    return frozenset(
        [create_event.sender, *(UserId(user) for user in additional if isinstance(user, str))]
    )
