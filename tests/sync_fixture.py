"""A server that people chat on: rooms, and everything that tells clients what happened in them.

    server = SyncServer()
    alice, bob = server.person("alice"), server.person("bob")
    room = await a_room(alice, bob)
    phone = await device(bob)                # syncs from scratch, and remembers its token
    said = await alice.sends(room, "hello")
    assert ids((await phone.sync()).timeline(room)) == [said]

It runs on SQLite in memory, on the test's thread, unless it is given another database. Time passes
by a millisecond with every sync.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast
from urllib.parse import urlencode

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from homeserver.api.messages.history import HistoryApi
from homeserver.api.messages.receipts import ReceiptsApi
from homeserver.api.messages.relations import RelationsApi
from homeserver.api.messages.sync import SyncApi
from homeserver.api.messages.typing import TypingApi
from homeserver.api.personal.account_data import AccountDataApi
from homeserver.api.personal.filters import FiltersApi
from homeserver.api.personal.push_rules import PushRulesApi
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.filters import CompiledFilter, Filter, compile_filter
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.http.routes import Api
from homeserver.log.entries import PresenceEntry
from homeserver.ports.database import Transaction
from homeserver.rooms.unread import UnreadCounter
from homeserver.services.messages.read_markers import ReadMarkers
from homeserver.services.messages.receipts import Receipts
from homeserver.services.messages.related_events import RelatedEvents
from homeserver.services.messages.typing import Typing
from homeserver.services.personal.account_data import AccountData
from homeserver.services.personal.filters import Filters
from homeserver.services.personal.push_rules import PushRules, default_push_rules
from homeserver.services.personal.room_tags import RoomTags
from homeserver.sync.classic import ClassicSync
from homeserver.sync.cores import RoomCores
from homeserver.sync.device_lists import DeviceLists
from homeserver.sync.device_updates import DeviceStores, DeviceUpdates
from homeserver.sync.personal_data import Defaults, PersonalData
from homeserver.sync.room_sections import RoomSections
from homeserver.sync.sessions import Sessions
from homeserver.sync.unread_section import UnreadSection
from storage.encryption.device_lists import SqlDeviceListStore
from storage.encryption.key_counts import SqlKeyCountStore
from storage.encryption.to_device import SqlToDeviceStore
from storage.engines.sqlite import SqliteDatabase
from storage.personal.account_data import SqlAccountDataStore
from storage.personal.filters import SqlFilterStore
from storage.personal.push_rules import SqlPushRuleStore
from storage.rooms.receipts import SqlReceiptStore
from storage.rooms.timelines import SqlTimelineStore
from storage.rooms.unread import SqlUnreadStore
from tests.http_requests import Response
from tests.rooms_fixture import Engine, OpenEngine, Person, RoomsServer, quoted

P = ParamSpec("P")
T = TypeVar("T")

STANDING = {"next_batch", "device_one_time_keys_count", "device_unused_fallback_key_types"}
"""What every answer has."""

_NO_REACTOR = cast("IReactorFromThreads", None)


def in_memory() -> SqliteDatabase:
    """An empty database that is gone with the test."""
    return SqliteDatabase(Path(":memory:"), _NO_REACTOR)


class DatabaseHere:
    """Carries out works at once, on the test's thread, and counts reads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.reads = 0
        self._meanwhile: dict[int, Callable[[], Awaitable[object]]] = {}

    async def read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self.reads += 1
        result = self.engine._read(work, args, kwargs)
        meanwhile = self._meanwhile.pop(self.reads, None)
        if meanwhile is not None:
            await meanwhile()
        return result

    @property
    def has_happened(self) -> bool:
        """Whether everything that was to happen ``between`` reads has."""
        return not self._meanwhile

    def between(self, reads: int, meanwhile: Callable[[], Awaitable[object]]) -> None:
        """Let something happen after that many reads from now, before the result is seen."""
        self._meanwhile[self.reads + reads] = meanwhile

    async def write_once(self, work: Callable[[Transaction], T]) -> T:
        return self.engine.write_blocking(work)


class NotedPresence:
    """See :class:`homeserver.api.messages.sync.PresenceNotes`."""

    def __init__(self) -> None:
        self.noted: list[tuple[UserId, str]] = []
        self.states: dict[UserId, str] = {}

    def note_sync(self, user_id: UserId, set_presence: str, *more: object) -> None:
        self.noted.append((user_id, set_presence))

    def event(self, user_id: UserId) -> bytes | None:
        if user_id not in self.states:
            return None
        content = {"presence": self.states[user_id]}
        return json.dumps({"type": "m.presence", "sender": user_id, "content": content}).encode()


class SyncServer(RoomsServer):
    """The rooms part of a server, with syncing, history, receipts and what users keep."""

    def __init__(self, open_engine: OpenEngine = in_memory, *, rooms_budget: int = 10**9) -> None:
        self._rooms_budget = rooms_budget
        super().__init__(open_engine, self._through, rooms_budget=rooms_budget)

    def _through(self, engine: Engine) -> DatabaseHere:
        self.database = DatabaseHere(engine)
        return self.database

    def restarted(self) -> Self:
        """A new process on the same database."""
        return type(self)(lambda: self.engine, rooms_budget=self._rooms_budget)

    def further_apis(self) -> list[Api]:
        directory, log, clock = self.directory, self.log, self.clock
        account_data_store = SqlAccountDataStore(log)
        rule_store = SqlPushRuleStore(log)
        self.account_data = AccountData(account_data_store, log)
        self.presence = NotedPresence()
        self.sessions = Sessions(log, directory, account_data_store, clock)
        self.personal = personal = PersonalData(
            account_data_store,
            self.sessions,
            Defaults(default_push_rules, self.presence.event),
        )
        self.unread = UnreadCounter(SqlUnreadStore(log))
        sections = RoomSections(
            directory,
            RoomCores(directory, self.presenter, self.visibility, clock, SqlTimelineStore(log)),
            UnreadSection(self.unread, self.push_rules_index),
            personal,
        )
        self.device_updates = devices = DeviceUpdates(
            log,
            clock,
            DeviceStores(SqlToDeviceStore(log), SqlKeyCountStore(log)),
            DeviceLists(SqlDeviceListStore(log), self.directory),
            self.sessions.in_room,
        )
        self.sync = ClassicSync(log, self.sessions, sections, personal, devices, clock)
        related = RelatedEvents(
            self.relation_store, directory, self.presenter, self.visibility, clock
        )
        push_rules = PushRules(rule_store, account_data_store, self.push_rules_index, log)
        receipts = Receipts(directory, SqlReceiptStore(), log, clock)
        self.filters = Filters(SqlFilterStore(log))
        return [
            SyncApi(self.sync, self._compiled_filter, self.presence),
            HistoryApi(self.history, account_data_store, log.shards),
            RelationsApi(self.history, related, log.shards),
            FiltersApi(self.filters),
            AccountDataApi(self.account_data, RoomTags(self.account_data)),
            PushRulesApi(push_rules),
            ReceiptsApi(receipts, ReadMarkers(directory, self.account_data)),
            TypingApi(Typing(directory, log, clock)),
        ]

    async def _compiled_filter(self, user_id: UserId, text: str | None) -> CompiledFilter:
        if text is None:
            return compile_filter(Filter())
        return await self.filters.compiled(user_id, text)

    async def becomes(self, person: Person, state: str) -> None:
        """Somebody's presence changes."""
        self.presence.states[person.user_id] = state
        position = self.log.next_position(0)
        await self.log.append(PresenceEntry(0, position, person.user_id, {"presence": state}))


@attrs.frozen
class Answer:
    """The answer to a /sync."""

    json: JsonObject

    @property
    def token(self) -> str:
        return str(self.json["next_batch"])

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing new in it."""
        return self.json.keys() <= STANDING

    def rooms(self, section: str = "join") -> dict[str, JsonObject]:
        """The rooms of a section."""
        found: dict[str, JsonObject] = self.json.get("rooms", {}).get(section, {})
        return found

    def room(self, room_id: str, section: str = "join") -> JsonObject:
        return self.rooms(section)[room_id]

    def timeline(self, room_id: str, section: str = "join") -> list[JsonObject]:
        events: list[JsonObject] = self.room(room_id, section)["timeline"]["events"]
        return events

    def state(self, room_id: str, section: str = "join") -> list[JsonObject]:
        room = self.room(room_id, section)
        events: list[JsonObject] = (room.get("state_after") or room["state"])["events"]
        return events

    def ephemeral(self, room_id: str, type: str) -> JsonObject | None:
        """The content of an ephemeral event of a room, if there is one."""
        events = self.room(room_id)["ephemeral"]["events"]
        return next((e["content"] for e in events if e["type"] == type), None)

    def unread(self, room_id: str) -> tuple[int, int]:
        """(notifications, highlights) of a room."""
        counts = self.room(room_id)["unread_notifications"]
        return counts["notification_count"], counts["highlight_count"]

    def unread_threads(self, room_id: str) -> dict[str, tuple[int, int]]:
        """The same by thread."""
        threads = self.room(room_id).get("unread_thread_notifications", {})
        return {
            root: (c["notification_count"], c["highlight_count"]) for root, c in threads.items()
        }

    def account_data(self, room_id: str | None = None) -> dict[str, JsonObject]:
        """Account data by type."""
        where = self.json if room_id is None else self.room(room_id)
        return {e["type"]: e["content"] for e in where.get("account_data", {}).get("events", ())}

    def presence(self) -> dict[str, str]:
        """Who is what."""
        events = self.json.get("presence", {}).get("events", ())
        return {e["sender"]: e["content"]["presence"] for e in events}


@attrs.define
class Device:
    """A client of somebody, that remembers where it was."""

    person: Person
    filter: JsonObject | None = None
    since: str | None = None

    @property
    def server(self) -> SyncServer:
        assert isinstance(self.person.server, SyncServer)
        return self.person.server

    async def request(self, **query: Any) -> Response:
        """Ask for a sync, whatever comes of it."""
        self.server.clock.advance(0.001)
        if "filter" not in query and self.filter is not None:
            query["filter"] = json.dumps(self.filter)
        if "since" not in query and self.since is not None:
            query["since"] = self.since
        asked = {name: _text(value) for name, value in query.items() if value is not None}
        return await self.person.get("/sync?" + urlencode(asked))

    async def peek(self, **query: Any) -> Answer:
        """Sync, and lose the answer."""
        response = await self.request(**query)
        assert response.status == 200, response.json
        return Answer(response.json)

    async def sync(self, **query: Any) -> Answer:
        """Sync, and go on from there next time."""
        answer = await self.peek(**query)
        self.since = answer.token
        return answer

    def waits(self, timeout: int = 30_000, **query: Any) -> Deferred[Answer]:
        """Wait for something new."""
        return Deferred.fromCoroutine(self.sync(timeout=timeout, **query))


async def device(person: Person, filter: JsonObject | None = None) -> Device:
    """A client that has just synced from scratch."""
    made = Device(person, filter)
    await made.sync()
    return made


async def a_room(creator: Person, *members: Person, **body: Any) -> RoomId:
    """A public room with some members."""
    room_id = await creator.creates_room(**{"preset": "public_chat", **body})
    for member in members:
        await member.joins(room_id)
    return room_id


async def said(
    person: Person, room_id: str, content: JsonObject, type: str = "m.room.message"
) -> EventId:
    """Send an event of any content; its ID."""
    if type == "m.room.message":
        content = {"msgtype": "m.text", "body": "hello", **content}
    response = await person.send(room_id, content, type=type)
    assert response.status == 200, response.json
    return EventId(response.json["event_id"])


def relates(rel_type: str, target: str, **more: Any) -> JsonObject:
    """The content that makes an event relate to another one."""
    return {"m.relates_to": {"rel_type": rel_type, "event_id": target, **more}}


def edit_of(target: str, body: str) -> JsonObject:
    """The content of an edit."""
    return {
        "body": f"* {body}",
        "m.new_content": {"msgtype": "m.text", "body": body},
        **relates("m.replace", target),
    }


async def reads(
    person: Person,
    room_id: str,
    event_id: str,
    *,
    thread: str | None = None,
    private: bool = False,
) -> None:
    """Move a read receipt."""
    receipt_type = "m.read.private" if private else "m.read"
    body = {} if thread is None else {"thread_id": thread}
    path = f"/rooms/{quoted(room_id)}/receipt/{receipt_type}/{quoted(event_id)}"
    response = await person.post(path, body)
    assert response.status == 200, response.json


async def keeps(person: Person, type: str, content: JsonObject, room_id: str | None = None) -> None:
    """Set account data."""
    where = "" if room_id is None else f"/rooms/{quoted(room_id)}"
    path = f"/user/{quoted(person.user_id)}{where}/account_data/{type}"
    response = await person.put(path, content)
    assert response.status == 200, response.json


async def ignores(person: Person, *others: Person) -> None:
    """Ignore these users and nobody else."""
    users: JsonObject = {other.user_id: {} for other in others}
    await keeps(person, "m.ignored_user_list", {"ignored_users": users})


async def types(person: Person, room_id: str, typing: bool = True) -> None:
    """Begin or stop typing."""
    path = f"/rooms/{quoted(room_id)}/typing/{quoted(person.user_id)}"
    response = await person.put(path, {"typing": typing, "timeout": 30_000})
    assert response.status == 200, response.json


async def redacts(person: Person, room_id: str, event_id: str) -> EventId:
    """Redact an event; the ID of the redaction."""
    response = await person.redact(room_id, event_id)
    assert response.status == 200, response.json
    return EventId(response.json["event_id"])


async def renames(person: Person, room_id: str, name: str) -> EventId:
    """Take another name in a room."""
    content = {"membership": "join", "displayname": name}
    return await person.sets(room_id, "m.room.member", content, person.user_id)


def ids(events: list[JsonObject]) -> list[str]:
    """The IDs of events."""
    return [event["event_id"] for event in events]


def bodies(events: list[JsonObject]) -> list[str]:
    """What messages say."""
    return [e["content"]["body"] for e in events if e["type"] == "m.room.message"]


def places(events: list[JsonObject]) -> set[tuple[str, str]]:
    """The places of state events."""
    return {(e["type"], e["state_key"]) for e in events}


def members(events: list[JsonObject]) -> dict[str, str]:
    """Memberships by user, of the member events among some."""
    return {
        e["state_key"]: e["content"]["membership"] for e in events if e["type"] == "m.room.member"
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
