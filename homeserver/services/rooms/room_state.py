"""Setting the state of rooms. Client-server API, "Sending events to a room"."""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import EventId, RoomId, parse_user_id
from homeserver.domain.power_levels import check_power_level_content
from homeserver.domain.requester import Requester
from homeserver.rooms.actor import NewEvent
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import MEMBER
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.rooms.acting_in_rooms import room_to_act_in, set_state
from homeserver.services.rooms.aliases import CANONICAL_ALIAS
from homeserver.services.rooms.canonical_aliases import CanonicalAliases
from homeserver.services.rooms.guest_departures import GuestDepartures
from homeserver.services.rooms.membership import Memberships


class RoomState:
    """Sets state events on behalf of users."""

    def __init__(
        self,
        directory: RoomDirectory,
        memberships: Memberships,
        canonical_aliases: CanonicalAliases,
        guest_departures: GuestDepartures,
    ) -> None:
        self._directory = directory
        self._memberships = memberships
        self._canonical_aliases = canonical_aliases
        self._guest_departures = guest_departures

    async def set(
        self, requester: Requester, room_id: RoomId, type: str, state_key: str, content: JsonObject
    ) -> EventId:
        """Set a state event; its ID, or that of the event by which the requester had set the very
        same before.

        Raises Forbidden, BadJson, TooLarge; InvalidParam and BadAlias for aliases that are not
        those of the room.
        """
        if type == MEMBER:
            return await self._memberships.set_member(
                requester, room_id, parse_user_id(state_key), content
            )
        require_not_suspended(requester)
        if type == "m.room.create":
            raise Forbidden("A room is created once")
        actor = await room_to_act_in(self._directory, room_id)
        if type == "m.room.power_levels":
            check_power_level_content(content)
        elif type == CANONICAL_ALIAS and not state_key:
            await self._canonical_aliases.check(actor, content)
        event_id = await set_state(
            actor,
            NewEvent(type=type, sender=requester.user_id, content=content, state_key=state_key),
        )
        if type == "m.room.guest_access":
            await self._guest_departures.enforce(actor)
        return event_id
