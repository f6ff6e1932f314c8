"""What filling gaps of timelines asks of storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.ports.rooms.events import RedactionRow, RelationRow, SnapshotRow, StoredEvent
from homeserver.ports.rooms.states import Gap


@attrs.frozen(slots=True)
class Filling:
    """Events for the place of a gap, and every row that follows from them.

    ``placed`` have their places in the stitched order, ``outside`` get a standing without one;
    both are known to storage already. ``related`` are those that relate to others. ``left`` is the
    gap that remains below them.
    """

    gap: Gap
    room_nid: int
    placed: Sequence[StoredEvent]
    outside: Sequence[StoredEvent]
    snapshots: Sequence[SnapshotRow]
    related: Sequence[tuple[StoredEvent, RelationRow]]
    redactions: Sequence[RedactionRow]
    left: Gap | None


class GapStore(Protocol):
    """Fills gaps."""

    async def fill(self, filling: Filling) -> None:
        """Store events in the place of a gap, all or none."""
        ...
