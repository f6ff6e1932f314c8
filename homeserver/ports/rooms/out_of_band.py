"""What the floors above ask of storage about rooms that this server is not in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.ports.database import Transaction
from homeserver.ports.rooms.events import MembershipRow, StoredEvent
from homeserver.ports.rooms.rooms import RoomRow


@attrs.frozen(slots=True)
class OutOfBandChange:
    """What a user is to a room that this server is not in, by an event without a place there.

    ``stripped_state`` is what another server told of the room, and ``servers`` are those that can
    be asked about it; both are empty when the user has nothing to do with the room any more.
    """

    room: RoomRow
    stored: StoredEvent
    position: int
    membership: MembershipRow
    stripped_state: Sequence[JsonObject] = ()
    servers: Sequence[ServerName] = ()


class OutOfBandStore(Protocol):
    """Memberships in rooms that this server is not in."""

    def changing(self, change: OutOfBandChange, now_ms: int) -> Callable[[Transaction], None]:
        """The work that stores a change."""
        ...

    async def servers(self, room_nid: int, user_id: UserId) -> list[ServerName]:
        """The servers that can be asked about a room on behalf of a user; none where the user is
        neither invited nor has knocked."""
        ...

    async def end(self, room_nid: int) -> None:
        """From now on this server is in a room."""
        ...
