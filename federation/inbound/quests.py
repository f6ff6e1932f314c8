"""What is missing to judge an event, and whom to ask for it."""

from __future__ import annotations

import attrs

from federation.inbound.remote_history import RoomOf
from homeserver.domain.errors import UnableToRetrieve
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock
from homeserver.rooms.view import RoomView


@attrs.frozen
class Quest:
    """An event of a room whose past is asked of ``hosts``, the likeliest first.

    Nothing is asked any more after ``until``, in seconds of the clock.
    """

    room: RoomView
    event: Event
    hosts: tuple[ServerName, ...]
    clock: Clock
    until: float

    @property
    def is_over(self) -> bool:
        """Whether it has taken too long."""
        return self.clock.monotonic() > self.until

    @property
    def about(self) -> RoomOf:
        """The room, as servers are asked about it."""
        return RoomOf(self.room.room_id, self.room.version)

    def of(self, event: Event) -> Quest:
        """The same about another event."""
        return attrs.evolve(self, event=event)


class Unobtainable(UnableToRetrieve):
    """What an event refers to could not be had; later it may be."""
