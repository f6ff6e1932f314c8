"""What federation costs two servers: the operations that are measured, and by what.

A first server, the host, and a second one, the guest, are on fresh data. CPU is that of a server's
process tree and of its database, and counts until both have come to rest: also what is done after
the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from synctest.client import Client
from synctest.cpu import tree_cpu
from synctest.failure import ScenarioFailed
from synctest.federation.deeds import ask, join_via, see_event, server_of
from synctest.federation.scripted_rooms import ScriptedRooms
from synctest.federation.scripted_server import ScriptedServer, SharedRoom, started_script
from synctest.federation.waiting import eventually
from synctest.federation.world import Member, World, started_world
from synctest.postgres import PostgresCluster

AT_ONCE = 4
"""How many events are on their way to the host at the same time."""

REST = 1.0
"""Seconds for which servers are watched to find out whether they rest."""

RESTING = 0.05
"""The part of a core below which a server rests: it still looks at its clocks."""

PATIENCE = 600.0
"""Seconds that anything may take to get from one server to another."""

ROOM_VERSION = "11"


@attrs.frozen
class Sizes:
    """How much is measured."""

    members: int
    messages: int
    missed: int
    state_events: int


@attrs.frozen
class Side:
    """One of the servers, with the PostgreSQL that it has for itself, if it uses one."""

    member: Member
    cluster: PostgresCluster | None

    def cpu(self) -> float:
        """Seconds that the server has used until now, its database's included."""
        pids = [self.member.process.pid, *([self.cluster.pid] if self.cluster else [])]
        return sum(map(tree_cpu, pids))

    async def stored_bytes(self) -> int:
        """How large the database is. A server with SQLite is stopped for that, and started again:
        only then everything is in the file."""
        if self.cluster is not None:
            return self.cluster.stored_bytes()
        process = self.member.process
        await process.terminate()
        size = sum(path.stat().st_size for path in process.data_dir.glob("*.db*"))
        await process.start()
        return size


@attrs.define
class Spent:
    """What something took: ``wall`` seconds, and seconds of CPU on either side."""

    wall: float = 0.0
    host: float = 0.0
    guest: float = 0.0


@attrs.frozen
class Pair:
    """Two servers, a user on each, and a scripted server with large rooms."""

    world: World
    sides: Sequence[Side]
    users: Sequence[Client]
    script: ScriptedServer

    async def rest(self) -> None:
        """Wait until both servers rest."""
        before = self._cpu()
        for _ in range(int(PATIENCE / REST)):
            await asyncio.sleep(REST)
            after = self._cpu()
            if after - before < RESTING * REST * len(self.sides):
                return
            before = after
        raise ScenarioFailed(f"the servers had no rest for {PATIENCE:.0f} s")

    def _cpu(self) -> float:
        return sum(side.cpu() for side in self.sides)

    @asynccontextmanager
    async def spending(self) -> AsyncIterator[Spent]:
        """What the block takes; CPU also of what the servers still do after it."""
        await self.rest()
        spent = Spent()
        before = [side.cpu() for side in self.sides]
        began = time.monotonic()
        yield spent
        spent.wall = time.monotonic() - began
        await self.rest()
        spent.host, spent.guest = (
            side.cpu() - earlier for side, earlier in zip(self.sides, before, strict=True)
        )


@asynccontextmanager
async def started_pair(kinds: Sequence[str], database: str) -> AsyncIterator[Pair]:
    """Two servers of these kinds on fresh data, for as long as the block runs."""
    async with AsyncExitStack() as stack:
        clusters: list[PostgresCluster | None] = []

        def new_database() -> str:
            if database == "sqlite":
                clusters.append(None)
                return database
            # A cluster for each server, so that its CPU can be told from the other's.
            cluster = stack.enter_context(PostgresCluster())
            clusters.append(cluster)
            return f"postgres:{cluster.create_database()}"

        world = await stack.enter_async_context(started_world(kinds, new_database))
        script = await stack.enter_async_context(started_script(world.certificate))
        sides = [
            Side(member, cluster) for member, cluster in zip(world.members, clusters, strict=True)
        ]
        yield Pair(world, sides, await world.users("host", "guest"), script)


async def join_large_room(pair: Pair, members: int) -> Spent:
    """The guest joins a room with so many members through the host."""
    host, guest = pair.users
    rooms = ScriptedRooms(pair.script)
    pair.script.override = rooms.answer
    room = _large_room(pair.script, rooms, members)
    await join_via(host, room.room_id, pair.script.name)
    await _see_members(host, room.room_id, members + 1)
    async with pair.spending() as spent:
        await join_via(guest, room.room_id, server_of(host))
        await _see_members(guest, room.room_id, members + 2)
    return spent


def _large_room(script: ScriptedServer, rooms: ScriptedRooms, members: int) -> SharedRoom:
    """A room whose members, but for two who come to it, are all on the scripted server."""
    room = rooms.make(ROOM_VERSION)
    kinds = ("m.room.create", "m.room.power_levels", "m.room.join_rules")
    auth_events = [room.state[kind, ""] for kind in kinds]
    for number in range(1, members):
        user_id = f"@member{number}:{script.name}"
        content = {
            "membership": "join",
            "displayname": f"Member {number}",
            "avatar_url": f"mxc://{script.name}/avatar{number}",
        }
        draft = script.draft(
            room,
            "",
            type="m.room.member",
            sender=user_id,
            state_key=user_id,
            content=content,
            auth_events=auth_events,
        )
        room.take(script.finished(room, draft))
    return room


async def _see_members(user: Client, room_id: str, members: int) -> None:
    await eventually(
        f"{user!r} to see {members} members",
        lambda: ask(user, "GET", "rooms", room_id, "joined_members"),
        lambda answer: len(answer["joined"]) == members,
        limit=PATIENCE,
    )


async def shared_room(pair: Pair) -> str:
    """A room of the host's, in which the guest is."""
    host, guest = pair.users
    room_id = await host.create_room(preset="public_chat", room_version=ROOM_VERSION)
    await join_via(guest, room_id, server_of(host))
    return room_id


async def exchange_messages(pair: Pair, messages: int) -> Spent:
    """The host says something, time and again, until the guest has it all."""
    host, guest = pair.users
    room_id = await shared_room(pair)
    async with pair.spending() as spent:
        said = await _say(host, room_id, messages)
        for event_id in said[-AT_ONCE:]:
            await see_event(guest, room_id, event_id, limit=PATIENCE)
    return spent


async def _say(speaker: Client, room_id: str, messages: int) -> list[str]:
    """Say so much, a few at a time; returns the event IDs."""
    numbers = iter(range(messages))
    said = [""] * messages

    async def talk() -> None:
        for number in numbers:
            said[number] = await speaker.say(room_id, f"message {number} of {messages}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(talk())
    return said


@attrs.frozen
class Missed:
    """A room, and what was said in it while the link was cut."""

    room_id: str
    event_ids: Sequence[str]


async def begin_missing(pair: Pair, missed: int) -> Missed:
    """Cut the link and let the host speak."""
    host, guest = pair.users
    room_id = await shared_room(pair)
    await see_event(guest, room_id, await host.say(room_id, "before"), limit=PATIENCE)
    pair.world.links.cut(*pair.world.names)
    return Missed(room_id, await _say(host, room_id, missed))


async def catch_up(pair: Pair, missed: Missed) -> Spent:
    """The link heals, and the guest says something; until it has the newest that was said."""
    _, guest = pair.users
    async with pair.spending() as spent:
        pair.world.links.heal()
        await guest.say(missed.room_id, "I am back")
        await see_event(guest, missed.room_id, missed.event_ids[-1], limit=PATIENCE)
    return spent


async def read_all(pair: Pair, missed: Missed) -> Spent:
    """The guest reads all that was missed."""
    async with pair.spending() as spent:
        await _read_all(pair.users[1], missed.room_id, set(missed.event_ids))
    return spent


async def _read_all(reader: Client, room_id: str, wanted: set[str]) -> None:
    """Page back until all is read; raises `ScenarioFailed` when no more of it comes.

    A server may answer with less than there is while it asks others: then again from the newest.
    """
    deadline = time.monotonic() + PATIENCE
    left = set(wanted)
    start: str | None = None
    while left:
        page = await reader.messages(room_id, start=start)
        new = left & {event["event_id"] for event in page["chunk"]}
        left -= new
        start = page.get("end")
        if new:
            deadline = time.monotonic() + PATIENCE
        elif time.monotonic() > deadline:
            raise ScenarioFailed(f"{len(left)} of {len(wanted)} events were not to be read")


async def growth(pair: Pair, state_events: int) -> tuple[float, float]:
    """Bytes by which the databases of host and guest grow for a state event with its own key."""
    host, guest = pair.users
    room_id = await shared_room(pair)
    await pair.rest()
    before = [await side.stored_bytes() for side in pair.sides]
    last = ""
    for number in range(state_events):
        content = {"state": f"the value of {number}"}
        key = f"key {number}"
        last = await host.send_state(room_id, "org.example.state", content, state_key=key)
    await see_event(guest, room_id, last, limit=PATIENCE)
    await pair.rest()
    after = [await side.stored_bytes() for side in pair.sides]
    by_host, by_guest = (
        (later - earlier) / state_events for later, earlier in zip(after, before, strict=True)
    )
    return by_host, by_guest
