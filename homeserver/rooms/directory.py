"""The directory of rooms: loads actors, keeps them current, lets idle ones go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import attrs
import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.domain.errors import NotFound
from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId
from homeserver.log.entries import Entry, EventEntry, OutOfBandEntry, ReceiptEntry, TypingEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_new_room
from homeserver.ports.rooms.events import NewRoom, StoredEvent, make_nid, position_of_nid
from homeserver.ports.rooms.rooms import RoomRow, RoomSnapshot, RoomStore
from homeserver.rooms.actor import Author, NewEvent, Recommender, RoomActor
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import TAIL, RoomView

log = structlog.get_logger(__name__)


class RoomDirectory:
    """Every room of this server, those in memory within a budget of bytes."""

    def __init__(
        self,
        log: Log,
        store: RoomStore,
        events: EventCache,
        author: Author,
        budget_bytes: int,
    ) -> None:
        self.store = store
        self.events = events
        self._log = log
        self._author = author
        self._budget = budget_bytes
        self._actors: OrderedDict[int, RoomActor] = OrderedDict()
        self._nids: dict[RoomId, int] = {}
        self._loading: dict[int, list[Deferred[None]]] = {}
        self._missed: dict[int, list[ReceiptEntry]] = {}
        self._outdated: set[int] = set()
        self._seed = 0
        self._newest_ts = 0
        self._weights: dict[int, int] = {}
        self.bytes = 0
        self.on_load: list[Callable[[RoomView], None]] = []
        log.subscribe(self._apply)

    def recommend_by(self, recommender: Recommender) -> None:
        """Have events recommended in rooms that ask for it; to be called before any is loaded."""
        self._author = attrs.evolve(self._author, recommender=recommender)

    # --- finding

    async def by_id(self, room_id: RoomId) -> RoomActor:
        """The actor of a room. NotFound when this server does not have the room's state: to those
        who are invited to a room from elsewhere it is not there yet."""
        nid = self._nids.get(room_id)
        if nid is None:
            rows = await self.store.find([room_id])
            if not rows:
                raise NotFound("Unknown room")
            nid = self._know(rows[0])
        actor = await self.by_nid(nid)
        if not actor.view.is_known:
            raise NotFound("Unknown room")
        return actor

    async def find(self, room_id: RoomId) -> RoomRow | None:
        """The row of a room that this server knows or has heard of."""
        rows = await self.store.find([room_id])
        return rows[0] if rows else None

    def forget(self, nid: int) -> None:
        """Let a room be loaded anew, as its rows have changed otherwise than by an event."""
        if nid in self._loading:
            self._outdated.add(nid)
        actor = self._actors.get(nid)
        if actor is not None:
            self._drop(actor)

    async def by_nid(self, nid: int) -> RoomActor:
        """The actor of a room that exists."""
        actor = self._actors.get(nid)
        if actor is None:
            return (await self.load([nid]))[nid]
        self._actors.move_to_end(nid)
        return actor

    async def knows(self, room_id: RoomId) -> bool:
        """Whether this server has the room or has heard of it."""
        return room_id in self._nids or bool(await self.store.find([room_id]))

    def loaded(self, nid: int) -> RoomActor | None:
        """The actor of a room that is in memory."""
        return self._actors.get(nid)

    def views(self) -> Iterable[RoomView]:
        """The rooms in memory."""
        return [actor.view for actor in self._actors.values()]

    async def load(self, nids: Iterable[int]) -> dict[int, RoomActor]:
        """The actors of many rooms; those not in memory are read in a fixed number of queries."""
        wanted = list(nids)
        pinned: dict[int, RoomActor] = {}
        mine = []
        for nid in wanted:
            actor = self._actors.get(nid)
            if actor is not None:
                self._actors.move_to_end(nid)
                pinned[nid] = actor
            elif nid not in self._loading:
                self._loading[nid] = []
                mine.append(nid)
        if mine:
            pinned.update(await self._load(mine))
        for nid in wanted:
            if nid not in pinned:
                if nid in mine:
                    raise NotFound("Unknown room")
                pinned[nid] = await self._loaded_by_another(nid)
        self._evict(pinned)
        return pinned

    async def _load(self, nids: list[int]) -> dict[int, RoomActor]:
        made: dict[int, RoomActor] = {}
        wanted = nids
        try:
            while wanted:
                for snapshot in await self.store.load(wanted, TAIL):
                    if snapshot.row.room_nid not in self._outdated:
                        made[snapshot.row.room_nid] = self._adopt(snapshot)
                wanted = [nid for nid in wanted if nid in self._outdated]
                self._outdated.difference_update(wanted)
        finally:
            for nid in nids:
                self._missed.pop(nid, None)
                for waiting in self._loading.pop(nid):
                    waiting.callback(None)
        return made

    async def _loaded_by_another(self, nid: int) -> RoomActor:
        while nid in self._loading:
            waiting: Deferred[None] = Deferred()
            self._loading[nid].append(waiting)
            await waiting
        actor = self._actors.get(nid)
        if actor is None:
            # Whoever loaded it gave up, or the room has been evicted since.
            actor = (await self.load([nid]))[nid]
        return actor

    def _adopt(self, snapshot: RoomSnapshot) -> RoomActor:
        actor = self._actor(RoomView(snapshot))
        for missed in self._missed.pop(snapshot.row.room_nid, ()):
            if missed.position > actor.view.receipts_position:
                actor.view.apply_receipts(missed.receipts)
        self._know(snapshot.row)
        self._keep(actor)
        return actor

    def _actor(self, view: RoomView) -> RoomActor:
        for notice in self.on_load:
            notice(view)
        return RoomActor(view, self._log, self.events, self._author, self._drop)

    def _know(self, row: RoomRow) -> int:
        self._nids[row.room_id] = row.room_nid
        return row.room_nid

    # --- creating

    def create(
        self,
        version: str,
        creation: NewEvent,
        following: Callable[[RoomId], Sequence[NewEvent]],
        *,
        room_id: RoomId | None,
        published: bool,
    ) -> tuple[RoomActor, list[StoredEvent], Deferred[None]]:
        """Make a room of its first events, all in one batch; resolves after its commit.

        ``room_id`` is None where the room version derives it from the create event. ``following``
        gives the events after the create event, for the room's id. Raises as
        ``RoomActor.append_now``; nothing is stored then.
        """
        self._seed += 1
        shard = shard_of_new_room(self._seed, self._log.shards)
        nid = make_nid(self._log.next_position(shard), shard)
        row = RoomRow(nid, room_id or RoomId(""), version, shard, published)
        actor = self._actor(RoomView(RoomSnapshot(row, [], [], [], [], [], [], older=False)))
        new_room = NewRoom(row.room_id, version, shard, published, self._author.clock.now_ms())
        # The id may be the hash of the create event, so no two of these may be equal.
        self._newest_ts = max(self._newest_ts + 1, new_room.created_ts)
        creation = attrs.evolve(creation, origin_server_ts=self._newest_ts)
        appends = actor.begin(creation, following, new_room)
        self._nids[actor.view.room_id] = nid
        self._keep(actor)
        committed = actor.queue_together(appends)
        return actor, [append.stored for append in appends], committed

    def numbered(self, shard: int, events: Iterable[Event]) -> list[tuple[Event, int]]:
        """Events with numbers for their rows, which are taken from the positions of a shard."""
        numbered = [(event, make_nid(self._log.next_position(shard), shard)) for event in events]
        if numbered:
            last = position_of_nid(numbered[-1][1])
            self._log.append(Entry(shard, last)).addErrback(_numbers_lost)
        return numbered

    # --- keeping current

    def _apply(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, EventEntry):
                actor = self._actors.get(entry.append.stored.room_nid)
                if actor is not None:
                    actor.committed(entry.append)
            elif isinstance(entry, OutOfBandEntry):
                self.forget(entry.room_nid)
            elif isinstance(entry, ReceiptEntry):
                actor = self._actors.get(entry.room_nid)
                if actor is not None:
                    actor.view.apply_receipts(entry.receipts)
                elif entry.room_nid in self._loading:
                    # What is being read may be older.
                    self._missed.setdefault(entry.room_nid, []).append(entry)
            elif isinstance(entry, TypingEntry):
                actor = self._actors.get(entry.room_nid)
                if actor is not None:
                    actor.view.apply_typing(entry.user_ids, entry.position)

    def _keep(self, actor: RoomActor) -> None:
        nid = actor.view.nid
        self._actors[nid] = actor
        self._weights[nid] = actor.view.weight
        self.bytes += self._weights[nid]

    def _drop(self, actor: RoomActor) -> None:
        nid = actor.view.nid
        if self._actors.get(nid) is actor:
            del self._actors[nid]
            self._nids.pop(actor.view.room_id, None)
            self.bytes -= self._weights.pop(nid)

    def _evict(self, pinned: dict[int, RoomActor]) -> None:
        if self.bytes <= self._budget:
            return
        for nid in list(self._actors):
            if self.bytes <= self._budget:
                return
            actor = self._actors[nid]
            if nid not in pinned and not actor.busy:
                self._drop(actor)


def _numbers_lost(failure: Failure) -> None:
    """The numbers were not reserved, so what is stored under them must fail too: it will, as the
    database has gone."""
    log.warning("numbers_not_reserved", error=str(failure.value))
