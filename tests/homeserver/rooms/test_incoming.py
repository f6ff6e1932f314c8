"""Events of other servers: two servers that each write to a room and hear of the other later."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.log.log import all_committed
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.counting import EventCounter
from homeserver.rooms.incoming import Arrival, Incoming, Missing
from homeserver.rooms.room_imports import RoomImports
from homeserver.rooms.room_states import RoomStates, current
from storage.rooms.room_imports import SqlRoomImportStore
from storage.rooms.room_states import SqlRoomStateStore
from tests.deferreds import on_event_loop
from tests.rooms_fixture import SERVER, OpenEngine, RoomsCore, postgres_at, sqlite_at

ALICE, BOB, CAROL = (UserId(f"@{name}:{SERVER}") for name in ("alice", "bob", "carol"))
LEVELS: JsonObject = {"users": {ALICE: 100, BOB: 100}, "events": {"m.room.topic": 50}}


async def at_once(work: Callable[..., Any], *args: object, **kwargs: object) -> Any:
    return work(*args, **kwargs)


class Side:
    """One of the servers."""

    def __init__(self, open_engine: OpenEngine) -> None:
        self.open_engine = open_engine
        self.core = RoomsCore(open_engine)
        core = self.core
        self.store = SqlRoomStateStore(core.log)
        self.states = RoomStates(self.store, core.events, at_once)
        self.incoming = Incoming(
            core.directory, self.states, EventCounter(SERVER, core.push_rules_index)
        )
        self.imports = RoomImports(
            core.directory, core.log, SqlRoomImportStore(core.log), core.clock, at_once
        )
        self.nid = 0
        self.outbox: list[Event] = []

    async def actor(self) -> RoomActor:
        return await on_event_loop(self.core.directory.by_nid(self.nid))

    async def writes(
        self, sender: UserId, type: str, content: JsonObject, state_key: str | None = None
    ) -> Event | None:
        """Make an event, unless the rules forbid it here."""
        actor = await self.actor()
        self.core.clock.advance(1)
        try:
            stored = await on_event_loop(actor.append(NewEvent(type, sender, content, state_key)))
        except Forbidden:
            return None
        self.outbox.append(stored.event)
        return stored.event

    async def hears(self, event: Event) -> Standing:
        return await on_event_loop(self.incoming.take_in(self.nid, Arrival(event)))

    async def state(self) -> dict[StateKey, EventId]:
        """The current state, as the database has it."""
        actor = await self.actor()
        await on_event_loop(actor.settled())
        events = await on_event_loop(self.states.events(actor.view, current(actor.view)))
        return {key: stored.event.event_id for key, stored in events.items()}

    async def state_in_memory(self) -> dict[StateKey, EventId]:
        view = (await self.actor()).view
        members = await on_event_loop(
            self.core.events.fetch(member.nid for member in view.members.values())
        )
        return {
            **{key: stored.event.event_id for key, stored in view.state.items()},
            **{s.event.state_map_key(): s.event.event_id for s in members.values()},
        }

    async def timeline(self) -> list[StoredEvent]:
        return await on_event_loop(
            self.core.events.store.timeline(self.nid, backwards=False, limit=1000)
        )


@attrs.frozen
class Pair:
    """Two servers in one room."""

    here: Side
    there: Side

    async def meet(self) -> None:
        """A room made here, which the other one joins."""
        here, there = self.here, self.there

        def following(room_id: RoomId) -> list[NewEvent]:
            return [
                NewEvent("m.room.member", ALICE, {"membership": "join"}, ALICE),
                NewEvent("m.room.power_levels", ALICE, LEVELS, ""),
                NewEvent("m.room.join_rules", ALICE, {"join_rule": "public"}, ""),
            ]

        actor, stored, committed = here.core.directory.create(
            "11",
            NewEvent("m.room.create", ALICE, {"room_version": "11"}, ""),
            following,
            room_id=RoomId(f"!forks:{SERVER}"),
            published=False,
        )
        await on_event_loop(all_committed([committed]))
        here.nid = actor.view.nid
        join = await here.writes(BOB, "m.room.member", {"membership": "join"}, BOB)
        assert join is not None
        here.outbox.clear()
        events = [s.event for s in stored]
        actor = await on_event_loop(
            there.imports.bring_in(
                actor.view.room_id, "11", events, {e.state_map_key(): e.event_id for e in events}
            )
        )
        there.nid = actor.view.nid
        before = current(actor.view)
        standing = await on_event_loop(there.incoming.take_in(there.nid, Arrival(join, before)))
        assert standing is Standing.ACCEPTED

    async def exchange(self) -> None:
        """Each hears everything that the other wrote."""
        mine, theirs = list(self.here.outbox), list(self.there.outbox)
        self.here.outbox.clear()
        self.there.outbox.clear()
        for event in theirs:
            await self.here.hears(event)
        for event in mine:
            await self.there.hears(event)


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two servers that share a room."""
    if request.param == "sqlite":
        there = Side(sqlite_at(tmp_path / "there.db"))
    else:
        there = Side(postgres_at(request.getfixturevalue("postgres_dsn")))
    made = Pair(Side(sqlite_at(tmp_path / "here.db")), there)
    await made.meet()
    yield made
    await made.here.core.close()
    await made.there.core.close()


async def test_a_room_that_is_joined_has_its_state_and_the_join(pair: Pair) -> None:
    assert await pair.there.state() == await pair.here.state()
    assert [s.event.type for s in await pair.there.timeline()] == ["m.room.member"]
    gaps = await on_event_loop(pair.there.store.gaps(pair.there.nid))
    assert [gap.position for gap in gaps] == [(await pair.there.timeline())[0].position]


async def test_messages_in_turn_are_appended_as_they_come(pair: Pair) -> None:
    for number in range(5):
        writer, reader = (pair.here, pair.there) if number % 2 else (pair.there, pair.here)
        event = await writer.writes(ALICE if number % 2 else BOB, "m.room.message", {"n": number})
        assert event is not None
        assert await reader.hears(event) is Standing.ACCEPTED
    here, there = await pair.here.timeline(), await pair.there.timeline()
    assert [s.event.event_id for s in here[-5:]] == [s.event.event_id for s in there[-5:]]
    assert len((await pair.here.actor()).heads) == 1


async def test_an_event_is_taken_in_once(pair: Pair) -> None:
    event = await pair.there.writes(BOB, "m.room.message", {"body": "hi"})
    assert event is not None
    assert await pair.here.hears(event) is Standing.ACCEPTED
    assert await pair.here.hears(event) is Standing.ACCEPTED
    assert [s.event.event_id for s in await pair.here.timeline()].count(event.event_id) == 1


async def test_messages_at_the_same_time_make_two_forward_extremities_and_the_next_merges_them(
    pair: Pair,
) -> None:
    mine = await pair.here.writes(ALICE, "m.room.message", {"body": "mine"})
    theirs = await pair.there.writes(BOB, "m.room.message", {"body": "theirs"})
    assert mine is not None
    assert theirs is not None
    await pair.exchange()
    assert {s.event.event_id for s in (await pair.here.actor()).heads} == {
        mine.event_id,
        theirs.event_id,
    }
    await pair.here.core.close()
    restarted = Side(pair.here.open_engine)
    restarted.nid = pair.here.nid
    merging = await restarted.writes(ALICE, "m.room.message", {"body": "both"})
    assert merging is not None
    assert set(merging.prev_event_ids) == {mine.event_id, theirs.event_id}
    assert await pair.there.hears(merging) is Standing.ACCEPTED
    assert len((await pair.there.actor()).heads) == 1
    await restarted.core.close()
    pair.here.core.engine = pair.here.open_engine()


async def test_state_set_at_the_same_time_is_resolved_alike(pair: Pair) -> None:
    await pair.here.writes(ALICE, "m.room.topic", {"topic": "mine"}, "")
    await pair.there.writes(BOB, "m.room.topic", {"topic": "theirs"}, "")
    await pair.exchange()
    assert await pair.here.state() == await pair.there.state()
    assert await pair.here.state_in_memory() == await pair.here.state()
    assert await pair.there.state_in_memory() == await pair.there.state()


async def test_what_a_banned_user_wrote_meanwhile_is_soft_failed(pair: Pair) -> None:
    event = await pair.there.writes(BOB, "m.room.message", {"body": "still here"})
    assert event is not None
    levels = {**LEVELS, "users": {ALICE: 100}}
    await pair.here.writes(ALICE, "m.room.member", {"membership": "join"}, CAROL)
    assert await pair.here.writes(BOB, "m.room.power_levels", levels, "") is not None
    assert await pair.here.writes(ALICE, "m.room.member", {"membership": "ban"}, BOB) is not None
    assert await pair.here.hears(event) is Standing.SOFT_FAILED
    assert event.event_id not in {s.event.event_id for s in await pair.here.timeline()}
    await pair.exchange()
    assert await pair.here.state() == await pair.there.state()
    assert (await pair.there.actor()).view.membership(BOB) == "ban"


async def test_an_event_that_its_auth_events_do_not_allow_is_rejected(pair: Pair) -> None:
    intruder = Side(pair.here.open_engine)
    intruder.nid = pair.here.nid
    event = await pair.there.writes(BOB, "m.room.message", {"body": "hi"})
    assert event is not None
    forged = Event.from_pdu(
        event.pdu.replace(BOB.encode(), CAROL.encode()), event.version, EventId("$forged")
    )
    assert await pair.here.hears(forged) is Standing.REJECTED
    assert await pair.here.hears(forged) is Standing.REJECTED
    assert "$forged" not in {s.event.event_id for s in await pair.here.timeline()}
    assert len((await pair.here.actor()).heads) == 1
    await intruder.core.close()


async def test_an_event_whose_past_is_missing_asks_for_it(pair: Pair) -> None:
    first = await pair.there.writes(BOB, "m.room.message", {"body": "one"})
    second = await pair.there.writes(BOB, "m.room.message", {"body": "two"})
    assert first is not None
    assert second is not None
    with pytest.raises(Missing) as raised:
        await pair.here.hears(second)
    assert raised.value.event_ids == {first.event_id}
    assert await pair.here.hears(first) is Standing.ACCEPTED
    assert await pair.here.hears(second) is Standing.ACCEPTED


@pytest.mark.parametrize("seed", range(6))
async def test_both_come_to_the_same_state_whatever_they_wrote_while_apart(
    pair: Pair, seed: int
) -> None:
    chance = random.Random(seed)
    users = {id(pair.here): ALICE, id(pair.there): BOB}
    for _ in range(5):
        for _ in range(chance.randrange(1, 7)):
            side = chance.choice([pair.here, pair.there])
            await _does_something(side, users[id(side)], chance)
        await pair.exchange()
        if chance.random() < 0.3:
            await _does_something(pair.here, ALICE, chance)
            await pair.exchange()
    for side in (pair.here, pair.there):
        assert await side.state_in_memory() == await side.state()
    assert await pair.here.state() == await pair.there.state()
    for side in (pair.here, pair.there):
        kept = await side.state()
        side.core.directory.forget(side.nid)
        assert await side.state_in_memory() == kept


async def _does_something(side: Side, user: UserId, chance: random.Random) -> None:
    other = BOB if user == ALICE else ALICE
    match chance.randrange(7):
        case 0 | 1:
            await side.writes(user, "m.room.message", {"n": chance.random().hex()})
        case 2:
            await side.writes(user, "m.room.topic", {"topic": chance.random().hex()}, "")
        case 3:
            await side.writes(user, "m.room.name", {"name": chance.random().hex()}, "")
        case 4:
            await side.writes(user, "m.room.member", {"membership": "ban"}, CAROL)
        case 5:
            membership = chance.choice(["leave", "invite"])
            await side.writes(user, "m.room.member", {"membership": membership}, CAROL)
        case 6:
            levels = {**LEVELS, "users": {user: 100, other: chance.choice([100, 100, 40])}}
            await side.writes(user, "m.room.power_levels", levels, "")
