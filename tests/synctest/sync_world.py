"""A server, people who live through a history on it, and the clients of each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlencode

import attrs
from twisted.internet.defer import CancelledError, Deferred

from homeserver.api.encryption.to_device import ToDeviceApi
from homeserver.http.routes import Api
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.services.encryption.to_device import ToDevice
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.sessions import SqlSessionStore
from storage.encryption.to_device import SqlToDeviceStore
from storage.engines.schema import migrate
from synctest.models.known import JsonObject, ModelClient, SyncRequest, fill
from synctest.models.sliding_client import SlidingClient, Window
from tests.rooms_fixture import Engine, OpenEngine, Person, quoted
from tests.sliding_fixture import SlidingServer
from tests.storage.accounts.sessions import new_session
from tests.sync_fixture import in_memory, relates
from tests.synctest.sync_actions import (
    MOVES,
    STATES,
    Action,
    Burst,
    Create,
    Keep,
    Look,
    Move,
    Poll,
    Post,
    Read,
    Redact,
    Restart,
    Say,
    SetState,
    Sync,
    Type,
    Wait,
)

NAMES = ("alice", "bob", "carol")
FRESH = "FRESH"
MAIL = "org.example.mail"
KEPT = ("org.example.note", "m.tag", "m.fully_read")
POLL_MS = 20_000
TRIES = 40
"""After so many syncs every client must have caught up."""


def sharded(shards: int) -> OpenEngine:
    """An empty database in memory, whose rooms and users are spread over shards."""

    def open_engine() -> Engine:
        database = in_memory()
        migrate(database)
        rows = [(shard, 0) for shard in range(shards)]
        head, tail = "INSERT INTO shards (shard, high_water) VALUES", "ON CONFLICT DO NOTHING"
        database.write_blocking(lambda tx: tx.insert(head, rows, tail))
        return database

    return open_engine


class FacesServer(SlidingServer):
    """A server with all kinds of sync, and messages between devices."""

    def further_apis(self) -> list[Api]:
        to_device = ToDevice(SqlToDeviceStore(self.log), self.log, self.clock)
        return [*super().further_apis(), ToDeviceApi(to_device)]


@attrs.define
class Follower:
    """A client of somebody, on a device of its own."""

    name: str
    device_id: str
    model: ModelClient
    fills_gaps: bool = True

    @property
    def address(self) -> str:
        """What it is known by."""
        return f"{self.name}/{self.device_id}"


@attrs.define
class Ledger:
    """What is known to have happened and is not read back from the server."""

    mail: dict[str, list[int]] = attrs.Factory(lambda: defaultdict(list))
    """By user: the numbers of the messages to their devices."""
    kept: dict[tuple[str, str | None], dict[str, JsonObject]] = attrs.Factory(
        lambda: defaultdict(dict)
    )
    """By user and room (None: globally): account data."""
    moved: dict[tuple[str, str, str, str], int] = attrs.Factory(dict)
    """By room, user, type and thread: when a receipt moved last."""
    read: dict[tuple[str, str, str, str], tuple[int, int]] = attrs.Factory(dict)
    """By the same: up to which place of the timeline."""
    has_typed: bool = False
    typing_lost: bool = False
    """Whether a restart has made the server forget who types, or who stopped, without telling."""


class World:
    """Lives through a history. Time is counted in steps."""

    def __init__(self, server: FacesServer, followers: list[Follower]) -> None:
        self.server = server
        self.followers = followers
        self.rooms: list[str] = []
        self.ledger = Ledger()
        self.now = 0
        self._numbers = 0
        self._polls: dict[str, tuple[Follower, Deferred[JsonObject]]] = {}
        """The syncs that wait, by client."""

    def person(self, user: int | str, device_id: str = "HAND") -> Person:
        """Somebody, at one of their devices."""
        name = NAMES[user] if isinstance(user, int) else user
        return self.server.person(name, device_id)

    async def begin(self) -> None:
        """Make the accounts and devices, and a room where everyone is."""
        accounts, sessions = SqlAccountStore(self.server.log), SqlSessionStore(self.server.log)
        for name in NAMES:
            user_id = self.person(name).user_id
            await accounts.register(NewAccount(user_id, 1), None)
        for follower in self.followers:
            user_id = self.person(follower.name).user_id
            token = f"{user_id}/{follower.device_id}"
            await sessions.open(new_session(user_id, follower.device_id, token))
        await self.do(Create(0, True, None))
        for user in (1, 2):
            await self.do(Move(user, 0, MOVES.index("join"), user))

    async def do(self, action: Action) -> None:
        """Let something happen."""
        self.now += 1
        self.server.clock.advance(0.001)
        match action:
            case Create():
                await self._create(action)
            case Say() | Burst():
                await self._speak(action)
            case SetState():
                await self._set_state(action)
            case Move():
                await self._move(action)
            case Redact() | Read():
                await self._point_at(action)
            case Type():
                await self._type(action)
            case Keep():
                await self._keep(action)
            case Post():
                await self._post(action)
            case Poll():
                self._poll(self._follower(action))
            case Sync():
                await self.sync(self._follower(action), is_lost=action.is_lost)
            case Look():
                model = self._follower(action).model
                if isinstance(model, SlidingClient):
                    model.window = Window(action.size, action.timeline_limit)
            case Wait():
                self.server.clock.advance(action.seconds)
            case Restart():
                await self._restart()
        await self._take_polls()

    # --- what happens

    async def _create(self, action: Create) -> None:
        if len(self.rooms) == 5:
            return
        preset = "public_chat" if action.is_public else "private_chat"
        invites = [] if action.invites is None else [self.person(action.invites).user_id]
        room = await self.person(action.user).creates_room(
            preset=preset,
            invite=[i for i in invites if i != self.person(action.user).user_id],
            power_level_content_override={"users_default": 50},
        )
        self.rooms.append(room)

    async def _speak(self, action: Say | Burst) -> None:
        person, room = self.person(action.user), self._room(action.room)
        count = action.count if isinstance(action, Burst) else 1
        content: JsonObject = {"msgtype": "m.text"}
        if isinstance(action, Say) and action.mentions is not None:
            content["m.mentions"] = {"user_ids": [self.person(action.mentions).user_id]}
        if isinstance(action, Say) and action.in_thread:
            root = await self._root(room)
            if root is not None:
                content |= relates("m.thread", root)
        for _ in range(count):
            await person.send(room, content | {"body": f"number {self._number()}"})

    async def _root(self, room: str) -> str | None:
        for stored in reversed((await self.server.timeline(room))[-10:]):
            if stored.event.type == "m.room.message" and stored.thread_root is None:
                return stored.event.event_id
        return None

    async def _set_state(self, action: SetState) -> None:
        person, room = self.person(action.user), self._room(action.room)
        match STATES[action.kind]:
            case "m.room.join_rules" as type:
                rule = ("public", "invite", "knock", "public")[action.value]
                await person.set_state(room, type, {"join_rule": rule})
            case "m.room.history_visibility" as type:
                visibility = ("shared", "joined", "invited", "world_readable")[action.value]
                await person.set_state(room, type, {"history_visibility": visibility})
            case "m.room.member" as type:
                if await self.server.membership(room, person) == "join":
                    content = {"membership": "join", "displayname": f"name {action.value}"}
                    await person.set_state(room, type, content, person.user_id)
            case "org.example.flag" as type:
                key = str(action.value % 2)
                await person.set_state(room, type, {"value": self._number()}, key)
            case type:
                field = type.removeprefix("m.room.")
                await person.set_state(room, type, {field: f"{field} {action.value}"})

    async def _move(self, action: Move) -> None:
        person, other = self.person(action.user), self.person(action.other)
        room, change = self._room(action.room), MOVES[action.change]
        body = {"user_id": other.user_id} if change in ("invite", "kick", "ban", "unban") else {}
        path = f"/knock/{quoted(room)}" if change == "knock" else f"/rooms/{quoted(room)}/{change}"
        await person.post(path, body)

    async def _point_at(self, action: Redact | Read) -> None:
        person, room = self.person(action.user), self._room(action.room)
        timeline = await self.server.timeline(room)
        stored = timeline[max(0, len(timeline) - 1 - action.back)]
        event_id = stored.event.event_id
        if isinstance(action, Redact):
            if stored.event.type != "m.room.create":
                await person.redact(room, event_id)
            return
        receipt_type = "m.read.private" if action.is_private else "m.read"
        thread = (stored.thread_root or "main") if action.is_threaded else ""
        path = f"/rooms/{quoted(room)}/receipt/{receipt_type}/{quoted(event_id)}"
        response = await person.post(path, {"thread_id": thread} if thread else {})
        key = (room, person.user_id, receipt_type, thread)
        if response.status == 200 and stored.order > self.ledger.read.get(key, (-1, 0)):
            # Receipts do not move backwards.
            self.ledger.read[key] = stored.order
            self.ledger.moved[key] = self.now

    async def _type(self, action: Type) -> None:
        person = self.person(action.user)
        self.ledger.has_typed = True
        path = f"/rooms/{quoted(self._room(action.room))}/typing/{quoted(person.user_id)}"
        await person.put(path, {"typing": action.typing, "timeout": 30_000})

    async def _keep(self, action: Keep) -> None:
        person = self.person(action.user)
        room = self._room(action.room) if action.room is not None else None
        kind = f"org.example.kept{action.kind}"
        where = f"/rooms/{quoted(room)}" if room is not None else ""
        path = f"/user/{quoted(person.user_id)}{where}/account_data/{kind}"
        content = {"value": action.value, "number": self._number()} if action.value else {}
        response = await person.put(path, content)
        if response.status == 200:
            self.ledger.kept[person.user_id, room][kind] = content

    async def _post(self, action: Post) -> None:
        person, other = self.person(action.user), self.person(action.other)
        for _ in range(action.count):
            number = self._number()
            path = f"/sendToDevice/{MAIL}/{number}"
            body = {"messages": {other.user_id: {"*": {"number": number}}}}
            response = await person.put(path, body)
            assert response.status == 200, response.json
            self.ledger.mail[other.user_id].append(number)

    async def _restart(self) -> None:
        self.ledger.typing_lost = self.ledger.has_typed
        for follower in list(self._polls):
            self._hang_up(follower)
        stopped_at = self.server.clock.monotonic()
        self.server = self.server.restarted()
        self.server.clock.advance(stopped_at + 1)
        await self.server.push_rules_index.load()

    def _room(self, number: int) -> str:
        return self.rooms[number % len(self.rooms)]

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _follower(self, action: Sync | Poll | Look) -> Follower:
        mine = [f for f in self.followers if f.name == NAMES[action.user]]
        return mine[action.face % len(mine)]

    # --- syncing

    async def sync(self, follower: Follower, *, is_lost: bool = False) -> None:
        """One sync of a client, and what fills its gaps."""
        self._hang_up(follower.address)
        answer = await self._ask(follower, follower.model.request())
        if not is_lost:
            await self._take_in(follower, answer)

    def _poll(self, follower: Follower) -> None:
        self._hang_up(follower.address)
        asked = follower.model.request(timeout_ms=POLL_MS)
        waiting = Deferred.fromCoroutine(self._ask(follower, asked))
        self._polls[follower.address] = follower, waiting

    def _hang_up(self, address: str) -> None:
        """A client does not wait any longer for the answer to its sync; it may have come already,
        and nobody has read it."""
        if address in self._polls:
            _, waiting = self._polls.pop(address)
            waiting.addErrback(lambda failure: failure.trap(CancelledError))
            waiting.cancel()

    async def _take_polls(self) -> None:
        """Take in the answers that have come to those who wait."""
        self.server.clock.advance(0)
        for address, (follower, waiting) in list(self._polls.items()):
            if waiting.called:
                del self._polls[address]
                await self._take_in(follower, await waiting)

    async def _take_in(self, follower: Follower, answer: JsonObject) -> None:
        for gap in follower.model.take_in(answer, self.now):
            if follower.fills_gaps:
                pages = [page async for page in self._pages(follower, gap.room_id, gap.start)]
                fill(follower.model, gap, pages)
            else:
                del follower.model.rooms[gap.room_id].events[: gap.index]

    async def catch_up(self, follower: Follower) -> None:
        """Sync until nothing new comes."""
        for _ in range(TRIES):
            await self.sync(follower)
            if not follower.model.is_behind:
                return
        raise AssertionError(f"{follower} never comes to rest")

    async def _ask(self, follower: Follower, asked: SyncRequest) -> JsonObject:
        self.server.clock.advance(0.001)
        person = self.person(follower.name, follower.device_id)
        path = f"{asked.path}?{urlencode(asked.query)}" if asked.query else asked.path
        is_post = asked.method == "POST"
        response = await (person.post(path, asked.body) if is_post else person.get(path))
        assert response.status == 200, response.json
        answer: JsonObject = response.json
        return answer

    async def _pages(
        self, follower: Follower, room: str, start: str
    ) -> AsyncIterator[list[JsonObject]]:
        """What came before a place, newest first; nothing for who may not look any more."""
        token: str | None = start
        while token is not None:
            query = urlencode({"dir": "b", "limit": 50, "from": token})
            person = self.person(follower.name, follower.device_id)
            response = await person.get(f"/rooms/{quoted(room)}/messages?{query}")
            if response.status == 403:
                return
            yield response.json["chunk"]
            token = response.json.get("end")


@attrs.frozen
class TrueRoom:
    """A room as the plain API tells of it, and a sync from scratch."""

    events: list[str]
    state: dict[tuple[str, str], str]
    unread: tuple[int, int]
    receipts: dict[tuple[str, str, str], str]
    typing: frozenset[str]


@attrs.frozen
class Truth:
    """What is true for one user."""

    rooms: dict[str, TrueRoom]
    pending: dict[str, str]
    """Invites and knocks by room."""
    activity: list[str]
    """All rooms, the most recently active first."""


async def truth_of(world: World, name: str) -> Truth:
    """Ask the plain API."""
    person = world.person(name, FRESH)
    joined = (await person.get("/joined_rooms")).json["joined_rooms"]
    fresh = (await person.get("/sync")).json.get("rooms", {})
    rooms = {room: await _true_room(person, room, fresh["join"][room]) for room in joined}
    assert rooms.keys() == fresh.get("join", {}).keys()
    pending = {room: name for name in ("invite", "knock") for room in fresh.get(name, {})}
    newest = {room: (await world.server.timeline(room))[-1].event for room in world.rooms}
    activity = sorted(world.rooms, key=lambda room: newest[room].origin_server_ts, reverse=True)
    return Truth(rooms, pending, activity)


async def _true_room(person: Person, room: str, synced: JsonObject) -> TrueRoom:
    where = f"/rooms/{quoted(room)}"
    state = (await person.get(f"{where}/state")).json
    events: list[str] = []
    query: dict[str, Any] = {"dir": "b", "limit": 100}
    while True:
        page = (await person.get(f"{where}/messages?{urlencode(query)}")).json
        events += [event["event_id"] for event in page["chunk"]]
        if "end" not in page:
            break
        query["from"] = page["end"]
    ephemeral = {e["type"]: e["content"] for e in synced["ephemeral"]["events"]}
    counts = synced["unread_notifications"]
    return TrueRoom(
        events[::-1],
        {(e["type"], e["state_key"]): e["event_id"] for e in state},
        (counts["notification_count"], counts["highlight_count"]),
        dict(_receipts(ephemeral.get("m.receipt", {}))),
        frozenset(ephemeral.get("m.typing", {}).get("user_ids", ())),
    )


def _receipts(content: JsonObject) -> Iterator[tuple[tuple[str, str, str], str]]:
    for event_id, by_type in content.items():
        for receipt_type, by_user in by_type.items():
            for user_id, receipt in by_user.items():
                yield (user_id, receipt_type, receipt.get("thread_id", "")), event_id
