"""Redacting events. Client-server API, "Redactions"."""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden, InvalidParam, MissingParam, NotFound
from homeserver.domain.identifiers import EventId, RoomId, parse_event_id, server_name_of
from homeserver.domain.requester import Requester
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.messages.transactions import NO_DEVICE, send_once
from homeserver.services.rooms.acting_in_rooms import room_to_act_in

REDACTION = "m.room.redaction"


class Redactions:
    """Sends redactions. Whoever sent an event may redact it, others need the power to."""

    def __init__(self, directory: RoomDirectory) -> None:
        self._directory = directory

    async def send(
        self, requester: Requester, room_id: RoomId, content: JsonObject, txn_id: str
    ) -> EventId:
        """Send a redaction of the event that ``content`` names as ``redacts``; its own ID.

        Raises NotFound when the room has no such event, Forbidden, InvalidParam and MissingParam.
        """
        content = dict(content)
        redacts = content.pop("redacts", None)
        if redacts is None:
            raise MissingParam("redacts is missing")
        if not isinstance(redacts, str):
            raise InvalidParam("redacts must be an event ID")
        return await self.redact(requester, room_id, parse_event_id(redacts), content, txn_id)

    async def redact(
        self,
        requester: Requester,
        room_id: RoomId,
        event_id: EventId,
        content: JsonObject,
        txn_id: str,
    ) -> EventId:
        """Redact an event; the ID of the redaction, which has this content. Raises as ``send``."""
        actor = await room_to_act_in(self._directory, room_id)

        async def send() -> StoredEvent:
            target = await self._target(actor, requester, event_id)
            return await actor.append(
                NewEvent(
                    type=REDACTION,
                    sender=requester.user_id,
                    content=content,
                    redacts=event_id,
                    target=target,
                    device_id=requester.device_id or NO_DEVICE,
                    txn_id=txn_id,
                )
            )

        return await send_once(actor, self._directory.events, requester, (txn_id, REDACTION), send)

    async def _target(
        self, actor: RoomActor, requester: Requester, event_id: EventId
    ) -> StoredEvent:
        """The event to redact, which the requester may."""
        if actor.head_membership(requester.user_id) != "join":
            raise Forbidden("You are not in this room")
        target = (await self._directory.events.fetch_ids([event_id])).get(event_id)
        if target is None or target.room_nid != actor.view.nid:
            raise NotFound("The room has no such event")
        if target.event.type == "m.room.create":
            raise Forbidden("The event that created the room cannot be redacted")
        sender = target.event.sender
        if sender == requester.user_id:
            return target
        require_not_suspended(requester)
        power_levels = actor.head_power_levels()
        if power_levels.user_level(requester.user_id) >= power_levels.redact:
            return target
        if requester.is_admin and server_name_of(sender) == server_name_of(requester.user_id):
            return target
        raise Forbidden("You may not redact events of others in this room")
