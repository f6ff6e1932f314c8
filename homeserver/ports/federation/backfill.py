"""What reading history asks of the federation: what lies in the gaps of a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from homeserver.ports.rooms.states import Gap


class Backfiller(Protocol):
    """Fills gaps when somebody reads up to them."""

    async def gaps(self, room_nid: int) -> Sequence[Gap]:
        """The gaps of a room's timeline, oldest first."""
        ...

    async def fill(self, room_nid: int, gap: Gap) -> bool:
        """Ask other servers for the events of a gap, for a limited time.

        Whether there are new events in its place; the gap may then still be there below them.
        """
        ...


class NoBackfill:
    """A server that asks nobody."""

    async def gaps(self, room_nid: int) -> Sequence[Gap]:
        """See :class:`Backfiller`."""
        return ()

    async def fill(self, room_nid: int, gap: Gap) -> bool:
        """See :class:`Backfiller`."""
        return False


NO_BACKFILL: Final = NoBackfill()
