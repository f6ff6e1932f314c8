"""Events of this server that the policy server of their room has to recommend before they count.

Server-server API, "Policy Servers".
"""

from __future__ import annotations

from federation.inbound.judging import Judging
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event
from homeserver.domain.policy_servers import PolicyServer
from homeserver.ports.federation.policy_servers import PolicyServers
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.rooms.actor import NewEvent
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.incoming import Arrival


class OwnEvents:
    """See :class:`homeserver.rooms.actor.Recommender`."""

    def __init__(self, policy_servers: PolicyServers, judging: Judging, events: EventCache) -> None:
        self._policy_servers = policy_servers
        self._judging = judging
        self._events = events

    async def recommended(self, event: Event, policy: PolicyServer) -> Event:
        """See :class:`homeserver.ports.federation.policy_servers.PolicyServers`."""
        return await self._policy_servers.recommended(event, policy)

    async def take_in(self, room_nid: int, event: Event, new: NewEvent) -> StoredEvent:
        """See :class:`homeserver.rooms.actor.Recommender`."""
        arrival = Arrival(event, device_id=new.device_id, txn_id=new.txn_id)
        standing = await self._judging.take_in(room_nid, arrival)
        if standing is not Standing.ACCEPTED:
            raise Forbidden("The room does not allow this any more")
        return (await self._events.fetch_ids([event.event_id]))[event.event_id]
