"""Which state events an event names as what authorises it.

Specification: server-server API, "Auth events selection".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeserver.domain.events import StateKey
from homeserver.domain.power_levels import POWER_LEVELS_KEY
from homeserver.domain.room_versions import RoomVersion


def auth_event_keys(
    version: RoomVersion,
    event_type: str,
    state_key: str | None,
    sender: str,
    content: Mapping[str, Any],
) -> list[StateKey]:
    """The entries of the room state that the event's ``auth_events`` consist of, as far as set.

    They are also all that the authorisation rules look at, besides the create event, which since
    room version 12 is implied by the room ID and not listed. No entry is listed twice.
    """
    if event_type == "m.room.create":
        return []
    keys = [POWER_LEVELS_KEY, ("m.room.member", sender)]
    if version.create_in_auth_events:
        keys.insert(0, ("m.room.create", ""))
    if event_type == "m.room.member" and state_key is not None:
        keys += _member_keys(version, state_key, content)
    return list(dict.fromkeys(keys))


def _member_keys(version: RoomVersion, target: str, content: Mapping[str, Any]) -> list[StateKey]:
    keys: list[StateKey] = [("m.room.member", target)]
    membership = content.get("membership")
    if membership in ("join", "invite", "knock"):
        keys.append(("m.room.join_rules", ""))
    if membership == "invite":
        token = third_party_invite_token(content)
        if token is not None:
            keys.append(("m.room.third_party_invite", token))
    if membership == "join" and version.restricted_join_rule:
        authorising_user = content.get("join_authorised_via_users_server")
        if isinstance(authorising_user, str):
            keys.append(("m.room.member", authorising_user))
    return keys


def third_party_invite_token(content: Mapping[str, Any]) -> str | None:
    """``third_party_invite.signed.token`` in the content of a member event, if it is there."""
    match content.get("third_party_invite"):
        case {"signed": {"token": str(token)}}:
            return token
    return None
