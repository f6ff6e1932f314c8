"""The rules for an event of any type, in the order of the specification.

Specification: room versions, "Authorisation rules". They are the same rules in every version but
for what `RoomVersion` says; the numbers of rules in comments are those of room version 12.
"""

from __future__ import annotations

from collections.abc import Mapping

from homeserver.domain.auth_rules.aliases import check_aliases
from homeserver.domain.auth_rules.authorising_state import AuthorisingState
from homeserver.domain.auth_rules.create import check_create, check_room_was_created_by
from homeserver.domain.auth_rules.membership import check_membership
from homeserver.domain.auth_rules.power_levels import check_power_levels
from homeserver.domain.auth_rules.redaction import check_redaction
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey


def check_event_auth(
    event: Event, state: Mapping[StateKey, Event], create_event: Event | None
) -> None:
    """Check an event by the authorisation rules of its room version against a state of its room.

    ``state`` needs to hold no more than the entries of `auth_event_keys`. ``create_event`` is that
    of the room, which must have been accepted, and None only where ``event`` is the create event
    itself. What the event names as ``auth_events`` is not looked at: see
    `check_auth_events_selection`. Signatures of servers are not either: see
    `required_signing_servers`. Raises Forbidden.
    """
    if event.type == "m.room.create":
        check_create(event)
        return
    if create_event is None:
        raise Forbidden("The room has no m.room.create event")
    check_room_was_created_by(create_event, event)
    room = AuthorisingState(create_event, state)
    if event.version.special_case_aliases_auth and event.type == "m.room.aliases":
        check_aliases(event)
    elif event.type == "m.room.member":
        check_membership(event, room)
    else:
        _check_sent_by_member(event, room)


def _check_sent_by_member(event: Event, room: AuthorisingState) -> None:
    """Rules 6 to 11: what only members of the room may do."""
    room.require_joined(event.sender)
    if event.type == "m.room.third_party_invite":
        room.require_level(event.sender, room.power_levels.invite, "to invite")
        return
    required = room.power_levels.event_level(event.type, is_state=event.is_state)
    room.require_level(event.sender, required, f"to send {event.type}")
    _check_state_key_is_own(event)
    if event.type == "m.room.power_levels":
        check_power_levels(event, room)
    elif event.type == "m.room.redaction" and not event.version.redactions_always_authorised:
        check_redaction(event, room)


def _check_state_key_is_own(event: Event) -> None:
    state_key = event.state_key
    if state_key is not None and state_key.startswith("@") and state_key != event.sender:
        raise Forbidden(f"Only {state_key} may set state with this user ID as its key")
