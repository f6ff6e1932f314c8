"""Sending events to rooms. Client-server API, "Sending events to a room"."""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import EventId, RoomId
from homeserver.domain.requester import Requester
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.messages.redactions import REDACTION, Redactions
from homeserver.services.messages.relation_rules import RelationRules
from homeserver.services.messages.transactions import NO_DEVICE, send_once
from homeserver.services.rooms.acting_in_rooms import room_to_act_in


class Messages:
    """Sends message events."""

    def __init__(
        self, directory: RoomDirectory, relations: RelationRules, redactions: Redactions
    ) -> None:
        self._directory = directory
        self._relations = relations
        self._redactions = redactions

    async def send(
        self, requester: Requester, room_id: RoomId, type: str, content: JsonObject, txn_id: str
    ) -> EventId:
        """Send an event, once for each transaction; its ID.

        Raises Forbidden, BadJson, TooLarge, and DuplicateAnnotation for a repeated reaction.
        """
        if type == REDACTION:
            return await self._redactions.send(requester, room_id, content, txn_id)
        require_not_suspended(requester)
        if type == "m.room.create":
            raise Forbidden("A room is created once")
        actor = await room_to_act_in(self._directory, room_id)
        new = NewEvent(
            type=type,
            sender=requester.user_id,
            content=content,
            device_id=requester.device_id or NO_DEVICE,
            txn_id=txn_id,
        )
        return await send_once(
            actor, self._directory.events, requester, (txn_id, type), lambda: self._send(actor, new)
        )

    async def _send(self, actor: RoomActor, new: NewEvent) -> StoredEvent:
        if "m.relates_to" not in new.content:
            return await actor.append(new)
        async with self._relations.checked(actor, new):
            return await actor.append(new)
