"""What finding events by their time asks of the federation: events that are not here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, RoomId, ServerName


@attrs.frozen(slots=True)
class TimedEvent:
    """An event, and when its server says that it was sent, in milliseconds."""

    event_id: EventId
    origin_server_ts: int


class RemoteTimes(Protocol):
    """What other servers know of rooms at some time."""

    async def nearest(
        self, room_id: RoomId, servers: Collection[ServerName], ts: int, *, backwards: bool
    ) -> TimedEvent | None:
        """The event nearest to a time in a direction, as one of some servers has it; None when
        none of them has any."""
        ...


class NoRemoteTimes:
    """A server that asks nobody."""

    async def nearest(
        self, room_id: RoomId, servers: Collection[ServerName], ts: int, *, backwards: bool
    ) -> TimedEvent | None:
        """See :class:`RemoteTimes`."""
        return None
