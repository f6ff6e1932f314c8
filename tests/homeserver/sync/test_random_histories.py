"""/sync against a plain model: whatever happens, every client ends up with the truth.

Rooms live through random events while clients sync now and then, with all kinds of options, and
fill the gaps through /messages. After each sync a client's room has exactly the events that the
specification lets its user see, in order, the true state, and the unread counts that counting the
events one by one gives.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import attrs
import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.view import MEMBER
from storage.engines.postgres import PostgresDatabase
from tests.rooms_fixture import Engine, Person, quoted
from tests.sync_fixture import (
    Answer,
    Device,
    SyncServer,
    ignores,
    in_memory,
    reads,
    redacts,
    relates,
    renames,
    said,
)

NAMES = ("alice", "bob", "carol", "dave")
VISIBILITIES = ("world_readable", "shared", "invited", "joined")
VISIBILITY = "m.room.history_visibility"
STEPS = 110


@attrs.frozen
class Effect:
    """What a message does to the counts of who reads it."""

    highlights: frozenset[str]
    """The users it highlights for; it notifies everyone."""


class World:
    """Rooms, the people in them, and what is known to be true of their unread counts."""

    def __init__(self, server: SyncServer, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.rooms: list[str] = []
        self.effects: dict[str, Effect] = {}
        self.receipts: dict[tuple[str, str, str], int] = defaultdict(int)
        """(room, user, thread or ""): the furthest position that was read."""
        self.clients: list[Client] = []

    def person(self, name: str) -> Person:
        return self.server.person(name, f"{name}'s phone")

    def anyone(self) -> Person:
        return self.person(self.random.choice(NAMES))

    def any_room(self) -> str:
        return self.random.choice(self.rooms)

    async def restart(self) -> None:
        """Let another process go on."""
        self.server = self.server.restarted()
        await self.server.push_rules_index.load()
        for client in self.clients:
            client.device.person = self.person(client.name)

    async def begin(self) -> None:
        for _ in range(2):
            visibility = {
                "type": VISIBILITY,
                "state_key": "",
                "content": {"history_visibility": self.random.choice(VISIBILITIES)},
            }
            room = await self.person("alice").creates_room(
                preset="public_chat",
                initial_state=[visibility],
                power_level_content_override={"users_default": 50},
            )
            self.rooms.append(room)
        await ignores(self.person("dave"), self.person("carol"))
        rule = {"pattern": "cake", "actions": ["notify", {"set_tweak": "highlight"}]}
        assert (
            await self.person("carol").put("/pushrules/global/content/cake", rule)
        ).status == 200
        self.clients = [
            Client(self, name, definition) for name in NAMES for definition in DEFINITIONS
        ]

    async def step(self) -> None:
        """Something happens."""
        chosen = self.random.choices(ACTIONS, WEIGHTS)[0]
        await chosen(self)

    # --- what may happen; what is not allowed is refused, and nothing happens

    async def someone_speaks(self) -> None:
        person, room = self.anyone(), self.any_room()
        if await self.server.membership(room, person) != "join":
            return
        body = self.random.choice(("hello", "cake for everyone"))
        content: JsonObject = {"body": body}
        mentioned = self.random.sample(NAMES, self.random.choice((0, 0, 1, 2)))
        if mentioned:
            user_ids = [self.person(name).user_id for name in mentioned]
            content["m.mentions"] = {"user_ids": user_ids}
        roots = [e for e in await self.server.timeline(room) if _can_be_root(e)]
        if roots and self.random.random() < 0.4:
            content |= relates("m.thread", self.random.choice(roots[-3:]).event.event_id)
        highlights = {str(self.person(name).user_id) for name in mentioned}
        if "cake" in body:
            highlights.add(str(self.person("carol").user_id))
        self.effects[await said(person, room, content)] = Effect(frozenset(highlights))

    async def someone_whispers(self) -> None:
        person, room = self.anyone(), self.any_room()
        if await self.server.membership(room, person) == "join":
            await said(person, room, {"msgtype": "m.notice"})

    async def someone_sets_state(self) -> None:
        person, room = self.anyone(), self.any_room()
        type = self.random.choice(("m.room.topic", "m.room.name"))
        field = type.removeprefix("m.room.")
        await person.set_state(room, type, {field: str(self.random.random())})

    async def visibility_changes(self) -> None:
        content = {"history_visibility": self.random.choice(VISIBILITIES)}
        await self.anyone().set_state(self.any_room(), VISIBILITY, content)

    async def someone_renames(self) -> None:
        person, room = self.anyone(), self.any_room()
        if await self.server.membership(room, person) == "join":
            await renames(person, room, str(self.random.random()))

    async def someone_moves(self) -> None:
        person, other, room = self.anyone(), self.anyone(), self.any_room()
        where = f"/rooms/{quoted(room)}"
        change = self.random.choice(
            ("join", "join", "join", "leave", "invite", "kick", "ban", "unban")
        )
        body = {"user_id": other.user_id} if change in ("invite", "kick", "ban", "unban") else {}
        if person.user_id == self.person("alice").user_id and change == "leave":
            return
        await person.post(f"{where}/{change}", body)

    async def someone_redacts(self) -> None:
        person, room = self.anyone(), self.any_room()
        spoken = [e for e in await self.server.timeline(room) if e.event.sender == person.user_id]
        spoken = [e for e in spoken if e.event.type == "m.room.message"]
        if spoken and await self.server.membership(room, person) == "join":
            await redacts(person, room, self.random.choice(spoken).event.event_id)

    async def someone_reads(self) -> None:
        person, room = self.anyone(), self.any_room()
        if await self.server.membership(room, person) != "join":
            return
        stored = self.random.choice((await self.server.timeline(room))[-8:])
        thread = self.random.choice((None, stored.thread_root or "main"))
        key = (room, str(person.user_id), thread or "")
        await reads(
            person,
            room,
            stored.event.event_id,
            thread=thread,
            private=self.random.random() < 0.3,
        )
        self.receipts[key] = max(self.receipts[key], stored.position)

    async def someone_syncs(self) -> None:
        await self.random.choice(self.clients).sync()

    async def process_changes(self) -> None:
        await self.restart()


def _can_be_root(stored: StoredEvent) -> bool:
    return stored.event.type == "m.room.message" and stored.thread_root is None


_Action = Callable[[World], Coroutine[Any, Any, None]]
_WEIGHTED: dict[_Action, float] = {
    World.someone_speaks: 10,
    World.someone_whispers: 2,
    World.someone_sets_state: 3,
    World.visibility_changes: 0.5,
    World.someone_renames: 1.5,
    World.someone_moves: 4,
    World.someone_redacts: 1,
    World.someone_reads: 4,
    World.someone_syncs: 12,
    World.process_changes: 0.4,
}
ACTIONS, WEIGHTS = list(_WEIGHTED), list(_WEIGHTED.values())

DEFINITIONS: tuple[JsonObject, ...] = (
    {"room": {"timeline": {"unread_thread_notifications": True}}},
    {"room": {"state": {"lazy_load_members": True}}},
    {"room": {"timeline": {"types": ["m.room.message"]}}},
)


# --- the truth, read off a room's events one by one


@attrs.frozen
class Seen:
    """What a user may see of a room."""

    events: list[StoredEvent]
    joined: int
    """Where they last came in; 0 for never."""
    left: int
    """Where they last went out."""
    membership: str


def what_is_seen(timeline: list[StoredEvent], user_id: str) -> Seen:
    """The five rules of the specification, for each event."""
    joins = [i for i, is_join in enumerate(_comings(timeline, user_id)) if is_join]
    visibility, membership, joined, left = "shared", "leave", 0, 0
    seen = []
    for index, stored in enumerate(timeline):
        event = stored.event
        visibilities, memberships = [visibility], [membership]
        if event.type == VISIBILITY and event.state_key == "":
            visibilities.append(event.content["history_visibility"])
        if event.type == MEMBER and event.state_key == user_id:
            memberships.append(event.content["membership"])
        if any(
            shown == "world_readable"
            or was == "join"
            or (shown == "shared" and any(join > index for join in joins))
            or (was == "invite" and shown == "invited")
            for shown in visibilities
            for was in memberships
        ):
            seen.append(stored)
        if memberships[-1] == "join" != membership:
            joined = stored.position
        if membership == "join" != memberships[-1]:
            left = stored.position
        visibility, membership = visibilities[-1], memberships[-1]
    return Seen(seen, joined, left, membership)


def _comings(timeline: list[StoredEvent], user_id: str) -> Iterator[bool]:
    membership = "leave"
    for stored in timeline:
        before = membership
        if stored.event.type == MEMBER and stored.event.state_key == user_id:
            membership = stored.event.content["membership"]
        yield membership == "join" != before


def true_state(timeline: list[StoredEvent]) -> dict[tuple[str, str], str]:
    """The state after some events."""
    return {
        stored.event.state_map_key(): stored.event.event_id
        for stored in timeline
        if stored.event.is_state
    }


def true_counts(
    world: World, room: str, timeline: list[StoredEvent], seen: Seen, user_id: str
) -> dict[str | None, tuple[int, int]]:
    """Unread events and highlights by thread."""
    ignored = {"@carol:hs"} if user_id == "@dave:hs" else set()
    own = [e.position for e in timeline if e.event.sender == user_id and _counts(world, e)]
    read_to = max(seen.joined, world.receipts[room, user_id, ""], *own, 0)
    counts: dict[str | None, tuple[int, int]] = {}
    for stored in timeline:
        thread = stored.thread_root
        if (
            not _counts(world, stored)
            or stored.event.sender in ignored
            or stored.position <= max(read_to, world.receipts[room, user_id, thread or "main"])
        ):
            continue
        notify, highlight = counts.get(thread, (0, 0))
        effect = world.effects[stored.event.event_id]
        counts[thread] = (notify + 1, highlight + (user_id in effect.highlights))
    return counts


def _counts(world: World, stored: StoredEvent) -> bool:
    return stored.event.event_id in world.effects


# --- clients


@attrs.define
class ClientRoom:
    """A room as a client knows it."""

    events: list[str] = attrs.Factory(list)
    state: dict[tuple[str, str], str] = attrs.Factory(dict)


class Client:
    """Syncs, fills gaps, and compares what it has with the truth."""

    def __init__(self, world: World, name: str, definition: JsonObject) -> None:
        self.world = world
        self.name = name
        self.definition = definition
        self.device = Device(world.server.person(name, f"{name} with {len(world.clients)}"))
        self.device.person = world.person(name)
        self.rooms: dict[str, ClientRoom] = {}
        timeline = definition["room"].get("timeline", {})
        self.types: list[str] | None = timeline.get("types")
        self.is_lazy = "state" in definition["room"]

    @property
    def user_id(self) -> str:
        return str(self.device.person.user_id)

    async def sync(self) -> None:
        """One sync, and all checks."""
        random = self.world.random
        limit = random.choice((1, 2, 5, 20, 60))
        room_filter = self.definition["room"]
        self.device.filter = {
            "room": {**room_filter, "timeline": {**room_filter.get("timeline", {}), "limit": limit}}
        }
        if random.random() < 0.05:
            self.device.since = None
            self.rooms.clear()
        since = self.device.since
        after = not self.is_lazy and random.random() < 0.3
        full = random.random() < 0.05
        answer = await self.device.sync(use_state_after=after, full_state=full)
        for room in answer.rooms("leave"):
            await self._take_in(answer, room, "leave", since, after=after)
        for room in answer.rooms():
            await self._take_in(answer, room, "join", since, after=after)
        for room in self.world.rooms:
            await self._check(answer, room)

    async def _take_in(
        self, answer: Answer, room: str, section: str, since: str | None, *, after: bool
    ) -> None:
        data = answer.room(room, section)
        timeline = data["timeline"]
        truth = await self.world.server.timeline(room)
        # A client takes a room that it comes into as a new one.
        position = int(since[1:]) if since is not None else 0
        is_new = what_is_seen(truth, self.user_id).joined > position
        known = self.rooms.setdefault(room, ClientRoom())
        if is_new:
            known = self.rooms[room] = ClientRoom()
        if is_new or timeline["limited"]:
            stop = None if is_new else since
            known.events += await self._gap(room, timeline["prev_batch"], stop)
        for event in data["state_after" if after else "state"]["events"]:
            known.state[event["type"], event["state_key"]] = event["event_id"]
        by_id = {e.event.event_id: index for index, e in enumerate(truth)}
        for event in timeline["events"]:
            if self.is_lazy and event["type"] == "m.room.message":
                # The sender is known as they were when they said it.
                sender = (MEMBER, event["sender"])
                before = true_state(truth[: by_id[event["event_id"]]])
                assert known.state[sender] == before[sender], event
            known.events.append(event["event_id"])
            if "state_key" in event and not after:
                known.state[event["type"], event["state_key"]] = event["event_id"]

    async def _gap(self, room: str, start: str, stop: str | None) -> list[str]:
        """The events before a timeline, as far back as the client needs them, oldest first."""
        found: list[str] = []
        token: str | None = start
        end = f"&to={stop}" if stop is not None else ""
        while token is not None:
            size = self.world.random.choice((1, 3, 10))
            path = f"/rooms/{quoted(room)}/messages?dir=b&limit={size}&from={token}{end}"
            response = await self.device.person.get(path)
            if response.status == 403:
                return []  # they are out again, and never were in
            found += [e["event_id"] for e in response.json["chunk"]]
            token = response.json.get("end")
        found.reverse()
        return found

    async def _check(self, answer: Answer, room: str) -> None:
        truth = await self.world.server.timeline(room)
        seen = what_is_seen(truth, self.user_id)
        if seen.membership != "join":
            known = self.rooms.get(room, ClientRoom())
            # Of what came after they left, sync tells nothing but how they stand.
            last = [e.event.event_id for e in truth if e.position <= seen.left]
            own = {e.event.event_id for e in truth if e.event.state_key == self.user_id}
            assert set(known.events) <= {*last, *own}
            return
        known = self.rooms[room]
        assert self._without_unwanted(known.events, truth) == self._expected(seen)
        state = true_state(truth)
        if self.is_lazy:
            state = {key: event for key, event in state.items() if key[0] != MEMBER}
            mine = {key: event for key, event in known.state.items() if key[0] != MEMBER}
            assert mine == state
        else:
            assert known.state == state
        if room in answer.rooms():
            self._check_counts(answer, room, truth, seen)

    def _without_unwanted(self, events: list[str], truth: list[StoredEvent]) -> list[str]:
        """What /messages gives and this client's syncs would not: it asked without its filter."""
        wanted = {e.event.event_id for e in truth if self._wants(e)}
        return [event for event in events if event in wanted]

    def _expected(self, seen: Seen) -> list[str]:
        return [e.event.event_id for e in seen.events if self._wants(e)]

    def _wants(self, stored: StoredEvent) -> bool:
        event = stored.event
        if self.user_id == "@dave:hs" and event.sender == "@carol:hs" and not event.is_state:
            return False
        return self.types is None or event.type in self.types

    def _check_counts(
        self, answer: Answer, room: str, truth: list[StoredEvent], seen: Seen
    ) -> None:
        counts = true_counts(self.world, room, truth, seen, self.user_id)
        if "unread_thread_notifications" in self.definition["room"].get("timeline", {}):
            main = counts.pop(None, (0, 0))
            assert answer.unread(room) == main
            assert answer.unread_threads(room) == counts
        else:
            total = tuple(map(sum, zip(*counts.values(), strict=True))) or (0, 0)
            assert answer.unread(room) == total


async def live_through(open_engine: Callable[[], Engine], seed: int, rooms_budget: int) -> None:
    """One history from beginning to end."""
    world = World(SyncServer(open_engine, rooms_budget=rooms_budget), seed)
    await world.begin()
    for _ in range(STEPS):
        await world.step()
    for client in world.clients:
        await client.sync()


@pytest.mark.parametrize("seed", range(16))
async def test_every_client_ends_up_with_the_truth(seed: int) -> None:
    await live_through(in_memory, seed, rooms_budget=10**9)


@pytest.mark.parametrize("seed", range(100, 106))
async def test_so_it_is_when_rooms_are_hardly_ever_in_memory(seed: int) -> None:
    await live_through(in_memory, seed, rooms_budget=1)


@pytest.mark.parametrize("seed", range(200, 202))
async def test_so_it_is_on_postgresql(postgres_dsn: str, seed: int) -> None:
    database = PostgresDatabase(postgres_dsn, None)  # type: ignore[arg-type]
    await live_through(lambda: database, seed, rooms_budget=10**9)
    database.close()
