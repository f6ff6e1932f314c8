"""Finding events by their time where the timeline lacks some."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs
import pytest

from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import EventId, RoomId, ServerName
from homeserver.ports.federation.remote_times import TimedEvent
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.ports.rooms.states import Gap
from homeserver.services.messages.nearest_events import MOST_FILLS, NearestEvents
from tests.rooms_fixture import Person, RoomsServer


@attrs.define
class Elsewhere:
    """See :class:`homeserver.ports.federation.remote_times.RemoteTimes`. Knows one event."""

    knows: TimedEvent | None = None
    asked: int = 0

    async def nearest(
        self, room_id: RoomId, servers: Collection[ServerName], ts: int, *, backwards: bool
    ) -> TimedEvent | None:
        self.asked += 1
        return self.knows


@attrs.define
class Filler:
    """See :class:`homeserver.ports.federation.backfill.Backfiller`. The gap is where an event is
    that was taken away; filling it brings that back, unless it is ``deep``."""

    rooms: RoomsServer
    missing: StoredEvent
    deep: bool = False
    fills: int = 0

    async def gaps(self, room_nid: int) -> Sequence[Gap]:
        return [Gap(self.missing.position + 1, 0, (self.missing.event.event_id,))]

    async def fill(self, room_nid: int, gap: Gap) -> bool:
        self.fills += 1
        if not self.deep:
            place(self.rooms, self.missing.nid, self.missing.position, Standing.ACCEPTED)
        return True


def place(rooms: RoomsServer, nid: int, position: int | None, standing: Standing) -> None:
    rooms.execute(
        "UPDATE events SET position = ?, standing = ? WHERE event_nid = ?",
        position,
        int(standing),
        nid,
    )


@attrs.frozen
class Scene:
    """A room with three messages, the second of which is not here."""

    nearest: NearestEvents
    elsewhere: Elsewhere
    filler: Filler
    events: list[StoredEvent]
    rooms: RoomsServer
    alice: Person

    async def find(self, ts: int, *, backwards: bool = False) -> EventId:
        view = (await self.rooms.directory.by_nid(self.events[0].room_nid)).view
        found = await self.nearest.find(view, self.alice.user_id, ts, backwards=backwards)
        return found.event.event_id

    def id(self, number: int) -> EventId:
        return self.events[number].event.event_id

    def ts(self, number: int) -> int:
        return self.events[number].event.origin_server_ts


async def scene(rooms: RoomsServer) -> Scene:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    for number in range(3):
        rooms.clock.advance(100)
        await alice.sends(room_id, str(number))
    events = (await rooms.timeline(room_id))[-3:]
    place(rooms, events[1].nid, None, Standing.OUTLIER)
    rooms.directory.forget(events[0].room_nid)
    told = TimedEvent(events[1].event.event_id, events[1].event.origin_server_ts)
    elsewhere, filler = Elsewhere(told), Filler(rooms, events[1])
    nearest = NearestEvents(rooms.history, rooms.events, elsewhere, filler)
    return Scene(nearest, elsewhere, filler, events, rooms, alice)


@pytest.mark.parametrize("backwards", [False, True])
async def test_what_is_nearer_elsewhere_is_brought_here(
    rooms: RoomsServer, backwards: bool
) -> None:
    made = await scene(rooms)
    ts = made.ts(1) + (1 if backwards else -1)
    assert await made.find(ts, backwards=backwards) == made.id(1)
    assert (made.elsewhere.asked, made.filler.fills) == (1, 1)


async def test_nobody_is_asked_for_what_is_here(rooms: RoomsServer) -> None:
    made = await scene(rooms)
    assert await made.find(made.ts(2)) == made.id(2)
    assert await made.find(made.ts(0) - 1) == made.id(0)
    with pytest.raises(NotFound):
        await made.find(made.ts(2) + 1)
    assert made.elsewhere.asked == 0


async def test_what_others_have_is_no_help_when_it_is_further_away(rooms: RoomsServer) -> None:
    made = await scene(rooms)
    made.elsewhere.knows = TimedEvent(made.id(1), made.ts(2) + 1000)
    assert await made.find(made.ts(1)) == made.id(2)
    made.elsewhere.knows = None
    assert await made.find(made.ts(1)) == made.id(2)
    assert made.filler.fills == 0


async def test_a_gap_that_is_too_deep_is_left(rooms: RoomsServer) -> None:
    made = await scene(rooms)
    made.filler.deep = True
    assert await made.find(made.ts(1)) == made.id(2)
    assert made.filler.fills <= MOST_FILLS
