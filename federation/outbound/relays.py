"""Which events this server sends to others beside those of its own users."""

from __future__ import annotations

from typing import Final

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName, server_name_of
from homeserver.ports.clock import Clock
from homeserver.ports.federation.outbound import OutboundStore

REMEMBERED_MS: Final = 30 * 86_400_000
"""How long it is known that an event was relayed, for destinations that are behind."""

MOST_WITHHELD: Final = 10_000


class Relays:
    """Events of other servers' users that are ours to send, such as the joins that a resident
    server took in, and those of our users that others send, such as the joins we asked for."""

    def __init__(self, store: OutboundStore, clock: Clock, own_name: ServerName) -> None:
        self._store = store
        self._clock = clock
        self._own_name = own_name
        self._relayed: set[EventId] = set()
        self._withheld: dict[EventId, None] = {}

    async def load(self) -> None:
        """Remember what was noted before the server stopped."""
        self._relayed.update(await self._store.relayed(self._clock.now_ms() - REMEMBERED_MS))

    async def relay(self, event_id: EventId) -> None:
        """An event of another server will be appended to its room, and is to be sent by this one.
        To be called before it is appended."""
        self._relayed.add(event_id)
        await self._store.relay(event_id, self._clock.now_ms())

    def withhold(self, event_id: EventId) -> None:
        """An event of a user of this server will be appended, and others have been given it to
        send. To be called before it is appended."""
        if len(self._withheld) >= MOST_WITHHELD:
            del self._withheld[next(iter(self._withheld))]
        self._withheld[event_id] = None

    def is_ours_to_send(self, event: Event) -> bool:
        """Whether an event that was appended is to be sent to the servers in its room."""
        event_id = event.event_id
        if event_id in self._relayed:
            self._relayed.discard(event_id)
            return True
        if server_name_of(event.sender) != self._own_name:
            return False
        return event_id not in self._withheld
