"""What member events need of those parts that take events in and send them out."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.ports.rooms.events import Standing


class EventIntake(Protocol):
    """Takes in checked events; see :class:`federation.inbound.intake.Intake`."""

    async def take_in(self, room_nid: int, event: Event, origin: ServerName) -> Standing:
        """What becomes of an event that ``origin`` sent. Raises UnableToRetrieve when what it
        refers to cannot be had."""
        ...


class Relaying(Protocol):
    """Decides who sends an event; see :class:`federation.outbound.relays.Relays`."""

    async def relay(self, event_id: EventId) -> None:
        """An event of another server will be appended, and is to be sent by this one."""
        ...

    def withhold(self, event_id: EventId) -> None:
        """An event of this server will be appended, and another one sends it."""
        ...
