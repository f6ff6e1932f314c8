"""Connections: what each has been sent, as of the answer that the client processed last.

MSC4186, "Connections". The server cannot know that an answer arrived until its ``pos`` comes back.
So an answer's changes are kept beside what was sent before it, and count from then on; a client
that comes back with the former ``pos`` gets an answer to that. Rooms that keep matching the rules
are *live*: they have been told up to the token of the position. A room that something came in while
no rule matched it is *behind*: it has been told up to a position of its own.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from homeserver.domain.errors import UnknownPos
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.events import SHARD_BITS
from homeserver.ports.rooms.rooms import Order
from homeserver.sync.sliding.positions import Position, opened
from homeserver.sync.sliding.requests import Rules
from homeserver.sync.sliding.room_configs import RoomConfig

ANSWERS: Final = 4
"""How many answers to the same position are kept, of which the client may process any."""

ROOMS_WITH_MEMBERS: Final = 500
"""Of how many rooms the lazily loaded members are noted."""

_SHARD: Final = (1 << SHARD_BITS) - 1
_NOBODY: Final[frozenset[UserId]] = frozenset()


@attrs.frozen(slots=True)
class SentRoom:
    """How a room was sent: what a client knows of it, and up to which position of the room's shard
    (None: live)."""

    config: RoomConfig
    behind: int | None = None


Changes = dict[int, SentRoom]
"""By room: how it was sent."""


@attrs.frozen(slots=True)
class Pending:
    """What an answer changed that the client has not come back with; it was the answer to a
    position at which what had been sent was that of ``parent``."""

    parent: int
    token: SyncToken
    changes: Mapping[int, SentRoom]


@attrs.define(slots=True)
class Delivery:
    """What an answer brings that is kept in memory alone, as it may be sent again at any time."""

    members: list[tuple[int, Iterable[UserId]]] = attrs.Factory(list)
    """Lazily loaded members, by room."""
    held: dict[int, Order] = attrs.Factory(dict)
    """By room: the place from which on the client has all events."""
    rules: Rules | None = None
    """The rules whose lists it counts."""
    settled: int | None = None
    """See ``Connection.settled``."""


@attrs.define(slots=True)
class Draft:
    """An answer in the making, to a position whose rooms are ``base``."""

    base: Mapping[int, SentRoom]
    parent: int
    changes: Changes = attrs.Factory(dict)
    delivery: Delivery = attrs.Factory(Delivery)

    def get(self, nid: int) -> SentRoom | None:
        """How a room was sent, by this answer or before."""
        return self.changes.get(nid) or self.base.get(nid)

    def put(self, nid: int, sent: SentRoom) -> None:
        """Note how a room is sent."""
        if self.get(nid) != sent:
            self.changes[nid] = sent

    def sent(self) -> SentRooms:
        """All rooms that were ever sent."""
        return SentRooms(self.base, self.changes)


class SentRooms:
    """The numbers of all rooms that were sent, without copying them."""

    __slots__ = ("_base", "_changes")

    def __init__(self, base: Mapping[int, SentRoom], changes: Mapping[int, SentRoom]) -> None:
        self._base = base
        self._changes = changes

    def __contains__(self, nid: object) -> bool:
        return nid in self._changes or nid in self._base

    def __iter__(self) -> Iterator[int]:
        yield from self._base
        yield from (nid for nid in self._changes if nid not in self._base)

    def __len__(self) -> int:
        return len(self._base) + sum(nid not in self._base for nid in self._changes)


class Connection:
    """One connection of a device."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.answers = 0
        self.change = 0
        """The answer that changed ``rooms`` last, among those that the client has processed."""
        self.parent = 0
        """The one that did before."""
        self.token: SyncToken | None = None
        """Of the answer that the client processed last; None before the first."""
        self.rooms: dict[int, SentRoom] = {}
        self.pending: dict[int, Pending] = {}
        self.is_restored = False
        """Whether it was read from the database and has not been resumed since."""
        self.requests = 0
        """How many have come; only the newest is listened to."""
        self.waiting = 0
        """How many of them wait."""
        self.rules: Rules | None = None
        """Those of the newest request."""
        self.told_rules: Rules | None = None
        """Those whose counts the client knows."""
        self.settled: int | None = None
        """At which version of the lists every room in them was sent as wanted, so that only rooms
        in which something came must be looked at."""
        self._deliveries: dict[int, Delivery] = {}
        self._members: dict[int, set[UserId]] = {}
        self._held: dict[int, Order] = {}

    def resume(self, pos: str, shards: int) -> SyncToken:
        """The client has processed the answer with this ``pos``; the token it stands for.

        Raises UnknownPos when it is not of this connection, or was gone beyond.
        """
        position = opened(pos, self.secret, shards)
        pending = self.pending.get(position.change)
        if position.change != self.change:
            if pending is None or pending.parent != self.change:
                self._restore(position)
            else:
                self.rooms.update(pending.changes)
            self.change = position.change
            self.pending.clear()
            self.settled = None
        self.is_restored = False
        self.parent = position.parent
        self.token = position.token
        self.answers = max(self.answers, position.answer)
        self._receive(position.answer)
        return position.token

    def draft(self) -> Draft:
        """An answer to the position that was resumed."""
        return Draft(self.rooms, self.change)

    def issue(self, draft: Draft, until: SyncToken) -> str:
        """The ``pos`` of an answer."""
        self.answers += 1
        answer, change, parent = self.answers, draft.parent, self.parent
        if draft.parent == self.change:
            # Otherwise the client has gone on meanwhile, and will not see this answer.
            self._note(draft.delivery)
            self._deliveries[answer] = draft.delivery
            if draft.changes:
                change, parent = answer, draft.parent
                self.pending[answer] = Pending(draft.parent, until, draft.changes)
            for kept in (self._deliveries, self.pending):
                while len(kept) > ANSWERS:
                    del kept[next(iter(kept))]
        return Position(until, answer, change, parent).sealed(self.secret)

    def knows_members(self, nid: int) -> set[UserId] | frozenset[UserId]:
        """The lazily loaded members of a room that the client has."""
        return self._members.get(nid, _NOBODY)

    def forget_members(self, nid: int) -> None:
        """The client has a gap in a room, and has dropped what it knew of its members."""
        self._members.pop(nid, None)

    def held_from(self, nid: int) -> Order | None:
        """The place in a room from which on the client has every event; None: nobody knows."""
        return self._held.get(nid)

    @property
    def weight(self) -> int:
        """About how much memory it takes, in rooms."""
        return 10 + len(self.rooms) + sum(len(p.changes) for p in self.pending.values())

    def _restore(self, position: Position) -> None:
        """The answer that changed what was sent was not stored before a restart. What was sent
        before it counts, and the client is told once more what came since then."""
        if not self.is_restored or position.change < self.change:
            raise UnknownPos()
        token = self.token
        pending = self.pending.get(position.parent)
        if pending is not None and pending.parent == self.change:
            self.rooms.update(pending.changes)
            token = pending.token
        for nid, sent in self.rooms.items():
            if sent.behind is None and token is not None:
                behind = token.positions[nid & _SHARD]
                self.rooms[nid] = attrs.evolve(sent, behind=behind)

    def _note(self, delivery: Delivery) -> None:
        # Until it is received, nothing is certain of rooms whose timelines begin anew with it.
        for nid in delivery.held:
            self._held.pop(nid, None)

    def _receive(self, answer: int) -> None:
        delivery = self._deliveries.get(answer)
        if delivery is None:
            return
        self._deliveries.clear()
        for nid, users in delivery.members:
            self._members.setdefault(nid, set()).update(users)
        self._held.update(delivery.held)
        if delivery.rules is not None:
            self.told_rules = delivery.rules
        if delivery.settled is not None:
            self.settled = delivery.settled
        if len(self._members) > ROOMS_WITH_MEMBERS:
            self._members.clear()
