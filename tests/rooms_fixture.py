"""The rooms part of a server: real services, actors and stores over a real database.

    server = RoomsServer(sqlite_at(path))
    alice, bob = server.person("alice"), server.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    assert (await alice.sends(room_id, "hello")).startswith("$")

It needs a running event loop, so the fixture that makes it is asynchronous.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorFromThreads

from homeserver.api.messages.sending import SendingApi
from homeserver.api.rooms.aliases import AliasesApi
from homeserver.api.rooms.membership import MembershipApi
from homeserver.api.rooms.public_rooms import PublicRoomsApi
from homeserver.api.rooms.reports import ReportsApi
from homeserver.api.rooms.room_creation import RoomCreationApi
from homeserver.api.rooms.room_summaries import RoomSummariesApi
from homeserver.api.rooms.spaces import SpacesApi
from homeserver.api.rooms.state import StateApi
from homeserver.api.rooms.upgrades import UpgradesApi
from homeserver.api.rooms.user_rooms import UserRoomsApi
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import UnknownToken
from homeserver.domain.identifiers import DeviceId, EventId, RoomId, ServerName, UserId
from homeserver.domain.requester import Requester
from homeserver.domain.room_versions import DEFAULT_ROOM_VERSION
from homeserver.domain.signing import SigningKey
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.routes import Api
from homeserver.log.entries import Entry
from homeserver.log.log import Log
from homeserver.ports.database import Database, Row, Transaction
from homeserver.ports.federation.remote_rooms import NoRemoteRooms, RemoteRooms
from homeserver.ports.personal.profiles import Profile
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.actor import Author, RoomActor
from homeserver.rooms.counting import EventCounter
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.presentation import Presenter
from homeserver.rooms.push_rules_index import PushRulesIndex
from homeserver.rooms.visible_events import Visibility
from homeserver.services.messages.history import History
from homeserver.services.messages.messages import Messages
from homeserver.services.messages.redactions import Redactions
from homeserver.services.messages.relation_rules import RelationRules
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.canonical_aliases import CanonicalAliases
from homeserver.services.rooms.departures import Departures
from homeserver.services.rooms.entrances import Entrances
from homeserver.services.rooms.forgetting import Forgetting
from homeserver.services.rooms.guest_departures import GuestDepartures
from homeserver.services.rooms.invitations import Invitations
from homeserver.services.rooms.membership import Memberships
from homeserver.services.rooms.published_rooms import PublishedRooms
from homeserver.services.rooms.reports import Reports
from homeserver.services.rooms.restricted_joins import RestrictedJoins
from homeserver.services.rooms.room_creation import RoomCreation, RoomDefaults
from homeserver.services.rooms.room_hierarchy import RoomHierarchy
from homeserver.services.rooms.room_state import RoomState
from homeserver.services.rooms.room_summaries import RoomSummaries
from homeserver.services.rooms.room_upgrades import RoomUpgrades
from homeserver.services.rooms.state_reading import StateReading
from homeserver.services.rooms.user_rooms import UserRooms
from storage.engines.postgres import PostgresDatabase
from storage.engines.schema import migrate
from storage.engines.sqlite import SqliteDatabase
from storage.personal.push_rules import SqlPushRuleStore
from storage.rooms.aliases import SqlAliasStore
from storage.rooms.events import SqlEventStore
from storage.rooms.memberships import SqlMembershipStore
from storage.rooms.past_states import SqlPastStates
from storage.rooms.published_rooms import SqlPublishedRoomStore
from storage.rooms.relations import SqlRelationStore
from storage.rooms.reports import SqlReportStore
from storage.rooms.room_log import RoomLogStore
from storage.rooms.room_summaries import SqlRoomSummaryStore
from storage.rooms.rooms import SqlRoomStore
from tests.clock import FakeClock
from tests.deferreds import LoopReactor, on_event_loop
from tests.http_requests import Response, TestClient

SERVER = ServerName("hs")
V3 = "/_matrix/client/v3"
V1 = "/_matrix/client/v1"
KEY = SigningKey.from_seed("a_1", "Q0JBTFBIQUJFVEFHQU1NQURFTFRBRVBTSUxPTlpFVEE")
BUDGET = 50_000_000

_numbers = itertools.count(1)


class KnownProfiles:
    """See :class:`homeserver.ports.personal.profiles.Profiles`."""

    def __init__(self) -> None:
        self.profiles: dict[UserId, Profile] = {}

    async def of(self, user_id: UserId) -> Profile:
        return self.profiles.get(user_id, Profile())

    async def of_all(self, user_ids: Collection[UserId]) -> dict[UserId, Profile]:
        return {user_id: await self.of(user_id) for user_id in user_ids}


class KnownGuests:
    """See :class:`homeserver.ports.accounts.guests.GuestStore`."""

    def __init__(self) -> None:
        self.guests: set[UserId] = set()

    async def guests_among(self, user_ids: Collection[UserId]) -> list[UserId]:
        return [user_id for user_id in user_ids if user_id in self.guests]


class KnownInvitePermissions:
    """See :class:`homeserver.ports.personal.invite_permissions.InvitePermissions`."""

    def __init__(self) -> None:
        self.blocked: set[UserId] = set()

    async def blocking(self, user_ids: Collection[UserId]) -> Collection[UserId]:
        return [user_id for user_id in user_ids if user_id in self.blocked]


class RecordedSettings:
    """See :class:`homeserver.ports.personal.personal_settings.PersonalSettings`."""

    def __init__(self) -> None:
        self.carried_over: list[tuple[UserId, RoomId, RoomId]] = []

    async def carry_over(self, user_id: UserId, old_room: RoomId, new_room: RoomId) -> None:
        self.carried_over.append((user_id, old_room, new_room))


class KnownTokens:
    """See :class:`homeserver.http.authentication.Authenticator`."""

    def __init__(self) -> None:
        self.requesters: dict[str, Requester] = {}

    def remembered(self, token: str) -> Requester | None:
        return self.requesters.get(token)

    async def authenticate(self, token: str) -> Requester:
        raise UnknownToken()

    def note_use(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        pass


Engine = SqliteDatabase | PostgresDatabase
OpenEngine = Callable[[], Engine]


def sqlite_at(path: Path) -> OpenEngine:
    """Opens the database in a file."""
    return lambda: SqliteDatabase(path, cast("IReactorFromThreads", LoopReactor()))


def postgres_at(dsn: str) -> OpenEngine:
    """Opens a database of a PostgreSQL server."""
    return lambda: PostgresDatabase(dsn, cast("IReactorFromThreads", LoopReactor()))


class RoomsCore:
    """The log and the directory of rooms over a database. Close it to stop its threads.

    ``through`` may stand between the log and the database, to make it fail.
    """

    def __init__(
        self,
        open_engine: OpenEngine,
        through: Callable[[Engine], Database] = lambda engine: engine,
        *,
        rooms_budget: int = BUDGET,
        events_budget: int = BUDGET,
    ) -> None:
        self.open_engine = open_engine
        self.engine = open_engine()
        migrate(self.engine)
        self.batches: list[int] = []
        self.clock = self.new_clock()
        self.log = Log(
            through(self.engine),
            RoomLogStore(),
            self._high_water(),
            lambda size, seconds: self.batches.append(size),
        )
        self.entries: list[Entry] = []
        self.log.subscribe(self.entries.extend)
        self.events = EventCache(SqlEventStore(self.log), events_budget)
        self.room_store = SqlRoomStore(self.log)
        self.push_rules_index = PushRulesIndex(SqlPushRuleStore(self.log))
        author = Author(
            server_name=self.server_name,
            signing_key=self.signing_key,
            clock=self.clock,
            counter=EventCounter(self.server_name, self.push_rules_index),
            new_event_id=lambda: EventId(f"$event{next(_numbers)}:{self.server_name}"),
        )
        self.directory = RoomDirectory(self.log, self.room_store, self.events, author, rooms_budget)

    server_name = SERVER
    signing_key = KEY

    def new_clock(self) -> FakeClock:
        """The clock of the server."""
        return FakeClock()

    def _high_water(self) -> list[int]:
        def work(tx: Transaction) -> list[int]:
            return [row[0] for row in tx.all("SELECT high_water FROM shards ORDER BY shard")] or [0]

        return self.engine.write_blocking(work)

    async def restart(self) -> Self:
        """The same database under a new process."""
        await self.close()
        return type(self)(self.open_engine)

    async def close(self) -> None:
        """Let pending writes end, then stop the threads."""
        await on_event_loop(self.log.drained())
        self.engine.close()

    def rows(self, sql: str, *parameters: object) -> list[Row]:
        """What the database holds, read past the server."""
        return self.engine.write_blocking(lambda tx: tx.all(sql, parameters))

    def execute(self, sql: str, *parameters: object) -> None:
        """Change the database behind the server's back."""
        self.engine.write_blocking(lambda tx: tx.execute(sql, parameters))


class RoomsServer(RoomsCore):
    """Everything that changes and lists rooms, and the people who do."""

    def __init__(
        self,
        open_engine: OpenEngine,
        through: Callable[[Engine], Database] = lambda engine: engine,
        *,
        rooms_budget: int = BUDGET,
        events_budget: int = BUDGET,
    ) -> None:
        super().__init__(
            open_engine, through, rooms_budget=rooms_budget, events_budget=events_budget
        )
        self.profiles = KnownProfiles()
        self.guests = KnownGuests()
        self.invite_permissions = KnownInvitePermissions()
        self.settings = RecordedSettings()
        self.tokens = KnownTokens()
        self.remote_rooms = self.way_to_remote_rooms()
        self._wire_services()
        self.client = TestClient(
            [
                AliasesApi(self.aliases),
                MembershipApi(
                    self.entrances,
                    self.memberships,
                    self.aliases,
                    Forgetting(self.directory, self.membership_store, self.log),
                ),
                PublicRoomsApi(self.published_rooms),
                ReportsApi(self.reports),
                RoomCreationApi(self.creation),
                RoomSummariesApi(self.summaries, self.aliases),
                SendingApi(self.messages, self.redactions),
                SpacesApi(self.hierarchy),
                StateApi(self.state, self.state_reading),
                UpgradesApi(self.upgrades),
                UserRoomsApi(UserRooms(self.membership_store, self.directory)),
                *self.further_apis(),
            ],
            self.tokens,
            RateLimiter({}, self.clock.monotonic),
            self.clock,
        )

    def way_to_remote_rooms(self) -> RemoteRooms:
        """What asks other servers."""
        return NoRemoteRooms()

    def further_apis(self) -> list[Api]:
        """What servers that do more than this one offer besides."""
        return []

    def _wire_services(self) -> None:
        directory, log = self.directory, self.log
        self.membership_store = SqlMembershipStore(log)
        self.report_store = SqlReportStore(log)
        self.relation_store = relations = SqlRelationStore(log)
        published = SqlPublishedRoomStore(log)
        summary_store = SqlRoomSummaryStore(log)
        self.presenter = presenter = Presenter(self.events, relations)
        self.visibility = visibility = Visibility(self.room_store, self.events, SqlPastStates(log))
        defaults = RoomDefaults(
            self.server_name,
            DEFAULT_ROOM_VERSION,
            lambda: RoomId(f"!room{next(_numbers)}:{self.server_name}"),
        )

        self.aliases = Aliases(SqlAliasStore(log), directory, self.clock, self.server_name)
        self.memberships = Memberships(
            directory,
            self.profiles,
            RestrictedJoins(directory, self.server_name),
            Invitations(self.invite_permissions, self.remote_rooms, self.server_name),
            self.settings,
        )
        self.entrances = Entrances(directory, self.memberships, self.remote_rooms, self.profiles)
        self.creation = RoomCreation(
            directory, self.aliases, self.memberships, self.profiles, defaults
        )
        self.redactions = Redactions(directory)
        self.messages = Messages(directory, RelationRules(relations, self.events), self.redactions)
        self.state = RoomState(
            directory,
            self.memberships,
            CanonicalAliases(self.aliases),
            GuestDepartures(self.guests, self.server_name),
        )
        self.history = history = History(directory, presenter, visibility, relations, self.clock)
        self.state_reading = StateReading(directory, history, presenter, self.clock)
        self.upgrades = RoomUpgrades(directory, self.aliases, published, self.settings, defaults)
        self.published_rooms = PublishedRooms(published, directory, self.server_name)
        self.hierarchy = RoomHierarchy(summary_store, self.membership_store)
        self.summaries = RoomSummaries(summary_store, self.membership_store)
        self.reports = Reports(
            self.report_store, directory, self.clock, lambda: f"report{next(_numbers)}"
        )
        self.departures = Departures(directory, self.remote_rooms)

    def person(self, name: str, device_id: str | None = "DEVICE", **standing: bool) -> Person:
        """A user with a session; ``standing`` are the flags of a :class:`Requester`."""
        user_id = UserId(f"@{name}:{self.server_name}")
        device = DeviceId(device_id) if device_id is not None else None
        requester = Requester(user_id, device, next(_numbers), **standing)
        token = f"{user_id}/{device_id}"
        self.tokens.requesters[token] = requester
        return Person(self, requester, token)

    async def actor(self, room_id: str) -> RoomActor:
        """A room."""
        return await self.directory.by_id(RoomId(room_id))

    async def timeline(self, room_id: str) -> list[StoredEvent]:
        """The events of a room, oldest first."""
        actor = await self.actor(room_id)
        return await self.events.store.timeline(actor.view.nid, backwards=False, limit=1000)

    async def content(self, room_id: str, type: str, state_key: str = "") -> JsonObject:
        """The content of a current state event."""
        actor = await self.actor(room_id)
        event = actor.head_event((type, state_key))
        if event is None:
            nid = actor.view.members[UserId(state_key)].nid
            event = (await self.events.fetch([nid]))[nid]
        return event.event.content

    async def membership(self, room_id: str, person: Person) -> str:
        """What somebody is to a room."""
        return (await self.actor(room_id)).view.membership(person.user_id)


@attrs.frozen
class Person:
    """Somebody with an account, and what they do over HTTP. Paths are those below ``v3``, or whole
    ones."""

    server: RoomsServer
    requester: Requester
    token: str

    @property
    def user_id(self) -> UserId:
        return self.requester.user_id

    async def get(self, path: str) -> Response:
        return await self._request("GET", path, None)

    async def post(self, path: str, body: Any = None) -> Response:
        return await self._request("POST", path, {} if body is None else body)

    async def put(self, path: str, body: Any = None) -> Response:
        return await self._request("PUT", path, {} if body is None else body)

    async def delete(self, path: str) -> Response:
        return await self._request("DELETE", path, None)

    async def _request(self, method: str, path: str, body: Any) -> Response:
        whole = path if path.startswith("/_matrix/") else V3 + path
        return await self.server.client.request(method, whole, body, token=self.token)

    async def creates_room(self, **body: Any) -> RoomId:
        """Make a room; its ID."""
        response = _succeeded(await self.post("/createRoom", body))
        return RoomId(response.json["room_id"])

    async def joins(self, room_id: str) -> None:
        _succeeded(await self.post(f"/rooms/{quoted(room_id)}/join"))

    async def leaves(self, room_id: str) -> None:
        _succeeded(await self.post(f"/rooms/{quoted(room_id)}/leave"))

    async def invites(self, room_id: str, other: Person) -> None:
        path = f"/rooms/{quoted(room_id)}/invite"
        _succeeded(await self.post(path, {"user_id": other.user_id}))

    async def bans(self, room_id: str, other: Person) -> None:
        path = f"/rooms/{quoted(room_id)}/ban"
        _succeeded(await self.post(path, {"user_id": other.user_id}))

    async def sends(self, room_id: str, body: str) -> EventId:
        """Say something; the event ID."""
        response = await self.send(room_id, {"msgtype": "m.text", "body": body})
        return EventId(_succeeded(response).json["event_id"])

    async def send(
        self,
        room_id: str,
        content: JsonObject,
        *,
        type: str = "m.room.message",
        txn_id: str | None = None,
    ) -> Response:
        """Try to send an event."""
        txn_id = txn_id or f"txn{next(_numbers)}"
        return await self.put(f"/rooms/{quoted(room_id)}/send/{type}/{txn_id}", content)

    async def redact(self, room_id: str, event_id: str, txn_id: str | None = None) -> Response:
        """Try to redact an event."""
        txn_id = txn_id or f"txn{next(_numbers)}"
        return await self.put(f"/rooms/{quoted(room_id)}/redact/{quoted(event_id)}/{txn_id}")

    async def sets(
        self, room_id: str, type: str, content: JsonObject, state_key: str = ""
    ) -> EventId:
        """Set state; the event ID."""
        response = _succeeded(await self.set_state(room_id, type, content, state_key))
        return EventId(response.json["event_id"])

    async def set_state(
        self, room_id: str, type: str, content: JsonObject, state_key: str = ""
    ) -> Response:
        """Try to set state."""
        return await self.put(f"/rooms/{quoted(room_id)}/state/{type}/{quoted(state_key)}", content)


def quoted(identifier: str) -> str:
    """As a segment of a path."""
    return quote(identifier, safe="")


def refused(response: Response) -> tuple[int, str]:
    """The status and the error code of an answer."""
    return response.status, response.json.get("errcode", "no error")


def _succeeded(response: Response) -> Response:
    assert response.status == 200, response.json
    return response
