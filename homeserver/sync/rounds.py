"""A /sync as asked for, and as it is being answered."""

from __future__ import annotations

import attrs

from homeserver.domain.filters import CompiledFilter
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.sync.known_members import KnownMembers
from homeserver.sync.session import Session
from homeserver.sync.windows import SyncOptions, Window


@attrs.frozen(slots=True)
class SyncRequest:
    """A /sync as asked for."""

    user_id: UserId
    device_id: DeviceId | None
    since: str | None
    timeout_ms: int
    filter: CompiledFilter
    full_state: bool
    use_state_after: bool


@attrs.frozen(slots=True)
class Round:
    """One look at what is new for a user, from one token (None: everything) to another."""

    session: Session
    device: KnownMembers
    request: SyncRequest
    since: SyncToken | None
    until: SyncToken

    @property
    def options(self) -> SyncOptions:
        """How rooms are presented."""
        return SyncOptions(self.request.filter, self.request.use_state_after)

    def since_in(self, room: UserRoom) -> int | None:
        """The position after which a room is read."""
        return self.since.positions[room.shard] if self.since is not None else None

    def is_new(self, room: UserRoom) -> bool:
        """Whether the user came into a room after the token."""
        return self.since is None or room.joined_position > self.since.positions[room.shard]

    def window(self, since: int | None, until: int, options: SyncOptions) -> Window:
        """A room as it is read in this round."""
        return Window(self.session, self.request.device_id, self.device, since, until, options)
