"""The rules for `m.room.create`, and what it rules for all other events.

Specification: room versions, "Authorisation rules", rules 1, 2 and 4 of version 12.
"""

from __future__ import annotations

from typing import Any

from homeserver.domain.errors import Forbidden, InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import parse_user_id, server_name_of
from homeserver.domain.room_versions import ROOM_VERSIONS


def check_create(event: Event) -> None:
    """Check a create event, which no other event authorises. Raises Forbidden."""
    if event.prev_event_ids:
        raise Forbidden("The create event must be the first of its room")
    if event.version.room_id_is_create_hash:
        if "room_id" in event.pdu_object():
            raise Forbidden("The create event must not have a room_id")
    elif server_name_of(event.room_id) != server_name_of(event.sender):
        raise Forbidden("The room ID must be of the server of the room's creator")
    content = event.content
    if "room_version" in content and not _is_known_version(content["room_version"]):
        raise Forbidden("The create event names an unknown room version")
    if event.version.creator_in_create_content and "creator" not in content:
        raise Forbidden("The create event does not name the creator")
    if event.version.privileged_creators and "additional_creators" in content:
        _check_additional_creators(content["additional_creators"])


def _is_known_version(room_version: Any) -> bool:
    return isinstance(room_version, str) and room_version in ROOM_VERSIONS


def _check_additional_creators(additional_creators: Any) -> None:
    if not isinstance(additional_creators, list):
        raise Forbidden("additional_creators must be an array")
    for user_id in additional_creators:
        if not isinstance(user_id, str):
            raise Forbidden("additional_creators must consist of user IDs")
        try:
            parse_user_id(user_id)
        except InvalidParam as error:
            raise Forbidden("additional_creators has an invalid user ID") from error


def check_room_was_created_by(create_event: Event, event: Event) -> None:
    """Check that ``event`` belongs to the room of ``create_event`` and may come from its server.

    Raises Forbidden.
    """
    if event.room_id != create_event.room_id:
        raise Forbidden("The event is not of the room that the create event created")
    if create_event.content.get("m.federate") is False and server_name_of(
        event.sender
    ) != server_name_of(create_event.sender):
        raise Forbidden("The room is not open to users of other servers")
