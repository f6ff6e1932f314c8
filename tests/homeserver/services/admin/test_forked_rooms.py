"""Checking and mending rooms that fork: what one server made of them is what it works out again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from homeserver.domain.identifiers import RoomId
from homeserver.services.admin.room_check import CheckReport, RoomCheck
from homeserver.services.admin.room_rebuild import RoomRebuild
from storage.rooms.room_figures import SqlRoomFigures
from tests.deferreds import on_event_loop
from tests.homeserver.rooms.test_incoming import ALICE, BOB, CAROL, Pair, Side
from tests.rooms_fixture import SERVER, postgres_at, sqlite_at


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


def checking(side: Side) -> RoomCheck:
    return RoomCheck(side.core.directory, side.states, SqlRoomFigures(side.core.log))


async def room_id_of(side: Side) -> RoomId:
    return (await side.actor()).view.room_id


async def checked(side: Side) -> CheckReport:
    return await on_event_loop(checking(side).run(await room_id_of(side)))


async def write_apart(pair: Pair, chance: random.Random) -> None:
    """Each server writes, and hears of the other only then."""
    for _ in range(chance.randrange(2, 7)):
        side, user = chance.choice([(pair.here, ALICE), (pair.there, BOB)])
        said = chance.random().hex()
        match chance.randrange(4):
            case 0:
                await side.writes(user, "m.room.message", {"body": said})
            case 1:
                await side.writes(user, "m.room.topic", {"topic": said}, "")
            case 2:
                await side.writes(user, "m.room.name", {"name": said}, "")
            case 3:
                membership = chance.choice(["ban", "leave", "invite"])
                await side.writes(user, "m.room.member", {"membership": membership}, CAROL)
    await pair.exchange()


@pytest.mark.parametrize("seed", range(4))
async def test_a_room_that_forked_is_found_to_be_right(pair: Pair, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5):
        await write_apart(pair, chance)
    for side in (pair.here, pair.there):
        report = await checked(side)
        assert report.is_right, report
        assert report.refused == []


async def test_a_fork_that_was_corrupted_is_mended_and_merged(pair: Pair) -> None:
    right = await pair.here.writes(ALICE, "m.room.name", {"name": "right"}, "")
    await pair.exchange()
    await pair.here.writes(ALICE, "m.room.message", {"body": "mine"})
    await pair.there.writes(BOB, "m.room.message", {"body": "theirs"})
    await pair.exchange()
    side = pair.there
    assert right is not None
    assert len((await side.actor()).heads) == 2
    side.core.execute("DELETE FROM state_intervals WHERE type = 'm.room.name'")
    side.core.directory.forget(side.nid)
    assert [each.key for each in (await checked(side)).places] == [("m.room.name", "")]
    rebuild = RoomRebuild(side.core.directory, checking(side), SERVER)
    report = await on_event_loop(rebuild.run(await room_id_of(side), apply=True))
    assert [head.event.event_id for head in (await side.actor()).heads] == [report.event_id]
    assert (await checked(side)).is_right
    assert (await side.state())["m.room.name", ""] == right.event_id
    # The other server takes the event in, and both go on.
    mending = (await side.timeline())[-1].event
    await pair.here.hears(mending)
    await write_apart(pair, random.Random(1))
    assert await pair.here.state() == await pair.there.state()
    assert (await checked(side)).is_right
