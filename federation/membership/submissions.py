"""Member events that other servers hand in after asking for a template.

Server-server API, /send_join, /send_leave and /send_knock.
"""

from __future__ import annotations

import attrs

from federation.inbound.event_checks import EventChecks
from federation.membership.event_intake import EventIntake, Relaying
from federation.membership.handshake import MEMBER, VOUCHED, Pen
from federation.membership.resident_rooms import ResidentRooms, require_user_of
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden, InvalidParam, MatrixError
from homeserver.domain.event_signatures import sign_event
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.identifiers import EventId, RoomId, ServerName
from homeserver.domain.membership import Membership, parse_membership
from homeserver.domain.room_versions import RoomVersion
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.actor import RoomActor
from homeserver.services.rooms.restricted_joins import RestrictedJoins


@attrs.frozen
class Submission:
    """An event, and what the server that hands it in says of it."""

    origin: ServerName
    room_id: RoomId
    event_id: EventId
    pdu: JsonObject


@attrs.frozen
class Doorkeeping:
    """What decides whether an event that was handed in gets into its room."""

    checks: EventChecks
    restricted: RestrictedJoins
    intake: EventIntake
    relaying: Relaying


class Submissions:
    """Takes member events in."""

    def __init__(self, rooms: ResidentRooms, door: Doorkeeping, pen: Pen) -> None:
        self._rooms = rooms
        self._door = door
        self._pen = pen

    async def take(self, submission: Submission, membership: Membership) -> tuple[RoomActor, Event]:
        """The room, and the event in it with this server's signature.

        Raises NotFound, Forbidden, InvalidParam for an event that is not what it should be;
        UnableToAuthoriseJoin and UnableToGrantJoin.
        """
        origin = submission.origin
        actor = await self._rooms.open_to(origin, submission.room_id)
        event = read_member_event(
            submission.pdu, actor.view.version, submission.room_id, submission.event_id, membership
        )
        sender = require_user_of(origin, event.sender, "sender")
        if event.state_key != sender:
            raise InvalidParam("The state key of the event is not its sender")
        if membership is Membership.JOIN and VOUCHED in event.content:
            await self._door.restricted.vouching_user(actor, sender)
        # Where this server vouches for the join its signature is one of those that are needed.
        signed = sign_event(event, self._pen.server_name, self._pen.signing_key)
        signed = await intact(self._door.checks, signed)
        await self._door.relaying.relay(signed.event_id)
        standing = await self._door.intake.take_in(actor.view.nid, signed, origin)
        if standing is not Standing.ACCEPTED:
            raise Forbidden("The room does not allow the event")
        return actor, signed


def read_member_event(
    pdu: JsonObject,
    version: RoomVersion,
    room_id: RoomId,
    event_id: EventId,
    membership: Membership,
) -> Event:
    """A member event that another server calls such. Raises InvalidParam."""
    try:
        event = parse_pdu(pdu, version)
    except MatrixError as error:
        raise InvalidParam(f"The event is malformed: {error.message}") from None
    if event.room_id != room_id:
        raise InvalidParam("The event is of another room")
    if event.event_id != event_id:
        raise InvalidParam("The event has another ID")
    if event.type != MEMBER or event.state_key is None:
        raise InvalidParam(f"The event is not of the type {MEMBER}")
    if parse_membership(event.content) is not membership:
        raise InvalidParam(f"The membership in the event is not {membership}")
    return event


async def intact(checks: EventChecks, event: Event) -> Event:
    """An event that is signed by all who must have signed it, and complete. Raises InvalidParam."""
    (checked,) = await checks.checked([event.pdu_object()], event.version)
    if not isinstance(checked, Event):
        raise InvalidParam(f"The event is not in order: {checked.reason}")
    if checked.raw_content != event.raw_content:
        raise InvalidParam("The hash of the event is wrong")
    return checked
