"""The rules for `m.room.member`.

Specification: room versions, "Authorisation rules", rule 5 of version 12. *Target* is the user in
the state key, whose membership changes.
"""

from __future__ import annotations

from typing import Any

from homeserver.domain.auth_rules.authorising_state import AuthorisingState
from homeserver.domain.auth_rules.third_party_invite import check_third_party_invite
from homeserver.domain.errors import Forbidden, InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import parse_user_id
from homeserver.domain.membership import Membership, parse_membership
from homeserver.domain.room_creators import room_creator
from homeserver.domain.room_versions import RoomVersion


def check_membership(event: Event, room: AuthorisingState) -> None:
    """Check a change of membership. Raises Forbidden."""
    target = event.state_key
    if target is None or "membership" not in event.content:
        raise Forbidden("m.room.member must be a state event with a membership")
    _check_authorising_user(event)
    match parse_membership(event.content):
        case Membership.JOIN:
            _check_join(event, target, room)
        case Membership.INVITE:
            _check_invite(event, target, room)
        case Membership.LEAVE:
            _check_leave(event, target, room)
        case Membership.BAN:
            _check_ban(event, target, room)
        case Membership.KNOCK if event.version.knock_join_rule:
            _check_knock(event, target, room)
        case _:
            raise Forbidden("The membership is unknown in this room version")


def _check_authorising_user(event: Event) -> None:
    """Without a user ID there is no server whose signature could be the required one."""
    if not event.version.restricted_join_rule:
        return
    if "join_authorised_via_users_server" not in event.content:
        return
    user_id: Any = event.content["join_authorised_via_users_server"]
    if not isinstance(user_id, str):
        raise Forbidden("join_authorised_via_users_server must be a user ID")
    try:
        parse_user_id(user_id)
    except InvalidParam as error:
        raise Forbidden("join_authorised_via_users_server is not a valid user ID") from error


def _check_join(event: Event, target: str, room: AuthorisingState) -> None:
    if _is_join_of_creator(event, target, room.create_event):
        return
    if event.sender != target:
        raise Forbidden(f"{event.sender} may not make {target} join")
    membership = room.membership(target)
    if membership is Membership.BAN:
        raise Forbidden(f"{target} is banned from the room")
    join_rule = room.join_rule
    if join_rule == "public":
        return
    if join_rule not in _invite_join_rules(event.version):
        raise Forbidden(f"Nobody may join by the join rule {join_rule!r} in this room version")
    if membership in (Membership.INVITE, Membership.JOIN):
        return
    if join_rule not in _restricted_join_rules(event.version):
        raise Forbidden(f"{target} is not invited to the room")
    _check_restricted_join(event, target, room)


def _is_join_of_creator(event: Event, target: str, create_event: Event) -> bool:
    """Whether the creator joins the room that was made by the previous event."""
    return event.prev_event_ids == (create_event.event_id,) and target == room_creator(create_event)


def _invite_join_rules(version: RoomVersion) -> set[str]:
    """The join rules under which invited users may join."""
    rules = {"invite"} | _restricted_join_rules(version)
    return rules | {"knock"} if version.knock_join_rule else rules


def _restricted_join_rules(version: RoomVersion) -> set[str]:
    """The join rules under which a member of the room can vouch for who is not invited."""
    rules = set()
    if version.restricted_join_rule:
        rules.add("restricted")
    if version.knock_restricted_join_rule:
        rules.add("knock_restricted")
    return rules


def _check_restricted_join(event: Event, target: str, room: AuthorisingState) -> None:
    authorising_user: Any = event.content.get("join_authorised_via_users_server")
    if authorising_user is None:
        raise Forbidden(
            f"{target} is not invited to the room, and nobody in it vouches for the join"
        )
    room.require_joined(authorising_user)
    room.require_level(authorising_user, room.power_levels.invite, "to vouch for joins")


def _check_invite(event: Event, target: str, room: AuthorisingState) -> None:
    if "third_party_invite" in event.content:
        check_third_party_invite(event, target, room)
        return
    room.require_joined(event.sender)
    membership = room.membership(target)
    if membership is Membership.JOIN:
        raise Forbidden(f"{target} is already in the room")
    if membership is Membership.BAN:
        raise Forbidden(f"{target} is banned from the room")
    room.require_level(event.sender, room.power_levels.invite, "to invite")


def _check_leave(event: Event, target: str, room: AuthorisingState) -> None:
    membership = room.membership(target)
    if event.sender == target:
        _check_own_leave(target, membership, event.version)
        return
    room.require_joined(event.sender)
    if membership is Membership.BAN:
        room.require_level(event.sender, room.power_levels.ban, "to unban")
    room.require_level(event.sender, room.power_levels.kick, "to kick")
    _require_greater_power(event.sender, target, room)


def _check_own_leave(user_id: str, membership: Membership, version: RoomVersion) -> None:
    if membership in (Membership.INVITE, Membership.JOIN):
        return
    if membership is Membership.KNOCK and version.knock_join_rule:
        return
    raise Forbidden(f"{user_id} is not in the room")


def _check_ban(event: Event, target: str, room: AuthorisingState) -> None:
    room.require_joined(event.sender)
    room.require_level(event.sender, room.power_levels.ban, "to ban")
    _require_greater_power(event.sender, target, room)


def _require_greater_power(sender: str, target: str, room: AuthorisingState) -> None:
    if room.user_level(target) >= room.user_level(sender):
        raise Forbidden(f"{target} has as much power in this room as {sender}")


def _check_knock(event: Event, target: str, room: AuthorisingState) -> None:
    rules = ["knock"]
    if event.version.knock_restricted_join_rule:
        rules.append("knock_restricted")
    if room.join_rule not in rules:
        raise Forbidden(f"The join rule {room.join_rule!r} does not allow to knock")
    if event.sender != target:
        raise Forbidden(f"{event.sender} may not knock for {target}")
    membership = room.membership(target)
    if membership in (Membership.BAN, Membership.INVITE, Membership.JOIN):
        raise Forbidden(f"{target} may not knock with the membership {membership}")
