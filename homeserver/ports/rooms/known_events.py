"""What is known of events by their ids, without the events themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import Standing


@attrs.frozen(slots=True)
class KnownEvent:
    """An event that this server has; ``key`` is the place of the state that it sets, if any."""

    nid: int
    room_nid: int
    key: StateKey | None
    standing: Standing
    state_position: int

    @property
    def is_placed(self) -> bool:
        """Whether it is known where in the room's history it belongs: of outliers, and of what was
        rejected as one, it is not."""
        if self.standing is Standing.REJECTED:
            return self.state_position != 0
        return self.standing is not Standing.OUTLIER


class KnownEvents(Protocol):
    """Looks up which events are here."""

    async def known(self, event_ids: Collection[EventId]) -> dict[EventId, KnownEvent]:
        """Those of some events that are here."""
        ...
