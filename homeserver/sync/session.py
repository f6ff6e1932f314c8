"""A user who syncs: what has touched them, and who waits for them."""

from __future__ import annotations

from collections import OrderedDict
from operator import gt

from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import UserId
from homeserver.log.entries import PresenceEntry
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.sync.known_members import KnownMembers


class Session:
    """One user who syncs, on however many devices."""

    def __init__(self, user_id: UserId, shards: int, shard: int) -> None:
        self.user_id = user_id
        self.shard = shard
        self.rooms: dict[int, UserRoom] = {}
        self.touched: list[OrderedDict[int, int]] = [OrderedDict() for _ in range(shards)]
        """By shard: rooms and the position of the newest thing in them, oldest first."""
        self.account_data_position = 0
        self.presence: OrderedDict[UserId, PresenceEntry] = OrderedDict()
        """The newest presence of others, in the order it came."""
        self.presence_positions = [0] * shards
        self.ignored: frozenset[UserId] = frozenset()
        self.blocks_invites = False
        """Whether the user wants no invites."""
        self.ignored_outdated = False
        """Whether whom the user ignores, or that they want no invites, has changed and must be read
        again."""
        self.used = 0.0
        self._devices: dict[str, KnownMembers] = {}
        self._waiters: list[Deferred[None]] = []

    def device(self, device_id: str | None) -> KnownMembers:
        """What a device knows; nobody can tell those apart that have no id."""
        if device_id is None:
            return KnownMembers()
        return self._devices.setdefault(device_id, KnownMembers())

    def touch(self, nid: int, shard: int, position: int) -> None:
        """Something came in a room."""
        touched = self.touched[shard]
        touched[nid] = position
        touched.move_to_end(nid)

    def rooms_after(self, token: SyncToken, until: SyncToken) -> list[int]:
        """The rooms in which something came after a token."""
        found = []
        for shard, touched in enumerate(self.touched):
            since = token.positions[shard]
            if since >= until.positions[shard]:
                continue
            for nid in reversed(touched):
                if touched[nid] <= since:
                    break
                found.append(nid)
        found.reverse()
        return found

    def has_news(self, token: SyncToken) -> bool:
        """Whether anything came after a token."""
        for shard, touched in enumerate(self.touched):
            if touched and touched[next(reversed(touched))] > token.positions[shard]:
                return True
        if self.account_data_position > token.positions[self.shard]:
            return True
        return self.has_presence_after(token)

    def has_presence_after(self, token: SyncToken) -> bool:
        """Whether presence of anyone came after a token."""
        return any(map(gt, self.presence_positions, token.positions))

    def hides_invite(self, room: UserRoom) -> bool:
        """Whether the user is not to be told of an invite. Client-server API, "Ignoring Users" and
        "Invite permission", server behaviour."""
        return self.blocks_invites or room.sender in self.ignored

    def note_presence(self, entry: PresenceEntry) -> None:
        """The user is to be told of somebody's presence."""
        self.presence[entry.user_id] = entry
        self.presence.move_to_end(entry.user_id)
        self.presence_positions[entry.shard] = entry.position

    def wait(self) -> Deferred[None]:
        """Resolves at the next wake-up."""
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def stop_waiting(self, waiter: Deferred[None]) -> None:
        """A sync gives up."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    @property
    def is_waiting(self) -> bool:
        """Whether a sync waits for this user."""
        return bool(self._waiters)

    def wake(self) -> None:
        """Let every waiting sync of the user look."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)
