"""Whether policy servers recommend what arrives.

Server-server API, "Validating Policy Server signatures".
"""

from __future__ import annotations

import structlog

from homeserver.domain.errors import MatrixError
from homeserver.domain.events import Event
from homeserver.ports.federation.policy_servers import PolicyServers
from homeserver.rooms.incoming import Arrival
from homeserver.rooms.view import RoomView

log = structlog.get_logger(__name__)


class Recommendations:
    """Asks the policy servers of rooms."""

    def __init__(self, policy_servers: PolicyServers) -> None:
        self._policy_servers = policy_servers

    async def arrival(self, room: RoomView, event: Event) -> Arrival:
        """An event to take in. One that its room's policy server has not signed is shown to that:
        the room may have been given another key since."""
        policy = room.policy_server
        if policy is None:
            return Arrival(event)
        try:
            return Arrival(await self._policy_servers.recommended(event, policy))
        except MatrixError as error:
            log.info("event_not_recommended", event_id=event.event_id, why=error.message)
            return Arrival(event, recommended=False)
