"""What users keep for themselves, over real rooms, stores and log, on SQLite in memory.

    server = PersonalServer()
    room = await server.room(ALICE, BOB)
    event = await server.say(ALICE, room)
    await server.client.request("POST", f"/_matrix/...", token=ALICE)

The user's ID is their access token. Commits are carried out at once, unless `hold_commits` is on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from twisted.internet.defer import Deferred

from homeserver.api.messages.receipts import ReceiptsApi
from homeserver.api.messages.typing import TypingApi
from homeserver.api.personal.account_data import AccountDataApi
from homeserver.api.personal.filters import FiltersApi
from homeserver.api.personal.presence import PresenceApi
from homeserver.api.personal.profiles import ProfilesApi
from homeserver.api.personal.push_rules import PushRulesApi
from homeserver.domain.errors import UnknownToken
from homeserver.domain.identifiers import DeviceId, EventId, ServerName, UserId
from homeserver.domain.requester import Requester
from homeserver.domain.signing import SigningKey
from homeserver.http.rate_limits import RateLimiter
from homeserver.log.entries import Entry
from homeserver.log.log import Log
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.database import DatabaseDown, Transaction
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.actor import Author, NewEvent, RoomActor
from homeserver.rooms.counting import EventCounter
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.push_rules_index import PushRulesIndex
from homeserver.services.messages.read_markers import ReadMarkers
from homeserver.services.messages.receipts import Receipts
from homeserver.services.messages.typing import Typing
from homeserver.services.personal.account_data import AccountData
from homeserver.services.personal.filters import Filters
from homeserver.services.personal.presence import Presence
from homeserver.services.personal.profile_propagation import ProfilePropagation
from homeserver.services.personal.profiles import Profiles
from homeserver.services.personal.push_rules import PushRules
from homeserver.services.personal.room_tags import RoomTags
from storage.accounts.accounts import SqlAccountStore
from storage.engines.schema import migrate
from storage.engines.sqlite import SqliteDatabase
from storage.personal.account_data import SqlAccountDataStore
from storage.personal.filters import SqlFilterStore
from storage.personal.profiles import SqlProfileStore
from storage.personal.push_rules import SqlPushRuleStore
from storage.rooms.events import SqlEventStore
from storage.rooms.memberships import SqlMembershipStore
from storage.rooms.receipts import SqlReceiptStore
from storage.rooms.room_log import RoomLogStore
from storage.rooms.rooms import SqlRoomStore
from tests.clock import FakeClock
from tests.http_requests import TestClient

P = ParamSpec("P")
T = TypeVar("T")

SERVER = ServerName("hs")
ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
CAROL = UserId("@carol:hs")

_KEY = SigningKey.from_seed("test", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")


class DatabaseHere:
    """Works on the test's thread. Counts reads; writes can be held up, or made to fail."""

    def __init__(self) -> None:
        self.sqlite = SqliteDatabase(Path(":memory:"), None)  # type: ignore[arg-type]
        migrate(self.sqlite)
        self.reads = 0
        self.writes = 0
        self.hold_commits = False
        self.broken = False
        self._held: list[Deferred[None]] = []

    async def read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self.reads += 1
        return self.sqlite._read(work, args, kwargs)

    async def write_once(self, work: Callable[[Transaction], T]) -> T:
        if self.hold_commits:
            held: Deferred[None] = Deferred()
            self._held.append(held)
            await held
        if self.broken:
            raise DatabaseDown("the database is away")
        self.writes += 1
        return self.sqlite.write_blocking(work)

    def release(self) -> None:
        """Let the commits go on that were held up, and those to come."""
        self.hold_commits = False
        held, self._held = self._held, []
        for deferred in held:
            deferred.callback(None)


class TokensAreUserIds:
    """See :class:`homeserver.http.authentication.Authenticator`."""

    def __init__(self) -> None:
        self.guests: set[UserId] = set()
        self.suspended: set[UserId] = set()

    def remembered(self, token: str) -> Requester | None:
        return None

    async def authenticate(self, token: str) -> Requester:
        if not token.startswith("@"):
            raise UnknownToken()
        user_id = UserId(token)
        return Requester(
            user_id,
            DeviceId("PHONE"),
            1,
            is_guest=user_id in self.guests,
            is_suspended=user_id in self.suspended,
        )

    def note_use(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        pass


class PersonalServer:
    """The services and the API of personal data; ``entries`` is what the log has published."""

    def __init__(
        self, database: DatabaseHere | None = None, *, presence_enabled: bool = True
    ) -> None:
        self.database = database or DatabaseHere()
        self.clock = FakeClock()
        rows = self.database.sqlite._read(
            lambda tx: tx.all("SELECT high_water FROM shards ORDER BY shard"), (), {}
        )
        self.log = Log(self.database, RoomLogStore(), [row[0] for row in rows] or [0])
        self.entries: list[Entry] = []
        self.rule_store = SqlPushRuleStore(self.log)
        self.index = PushRulesIndex(self.rule_store)
        self.directory = RoomDirectory(
            self.log,
            SqlRoomStore(self.log),
            EventCache(SqlEventStore(self.log), 10_000_000),
            Author(
                SERVER, _KEY, self.clock, EventCounter(SERVER, self.index), lambda: EventId("$x")
            ),
            10_000_000,
        )
        self.log.subscribe(self.entries.extend)

        self.account_data_store = SqlAccountDataStore(self.log)
        self.profile_store = SqlProfileStore(self.log)
        self.account_store = SqlAccountStore(self.log)
        self.account_data = AccountData(self.account_data_store, self.log)
        self.push_rules = PushRules(self.rule_store, self.account_data_store, self.index, self.log)
        self.receipts = Receipts(self.directory, SqlReceiptStore(), self.log, self.clock)
        self.markers = ReadMarkers(self.directory, self.account_data)
        self.typing = Typing(self.directory, self.log, self.clock)
        self.presence = Presence(
            self.log, SqlMembershipStore(self.log), self.clock, enabled=presence_enabled
        )
        self.propagation = ProfilePropagation(self.profile_store, self.directory, self.clock)
        self.profiles = Profiles(
            self.profile_store, self.account_store, self.propagation, self.presence
        )
        self.filters = Filters(SqlFilterStore(self.log))
        self.authenticator = TokensAreUserIds()
        self.client = TestClient(
            [
                AccountDataApi(self.account_data, RoomTags(self.account_data)),
                FiltersApi(self.filters),
                PresenceApi(self.presence),
                ProfilesApi(self.profiles),
                PushRulesApi(self.push_rules),
                ReceiptsApi(self.receipts, self.markers),
                TypingApi(self.typing),
            ],
            self.authenticator,
            RateLimiter({}, self.clock.monotonic),
            self.clock,
        )

    def restarted(self) -> Self:
        """A new process on the same database."""
        return type(self)(self.database)

    async def register(self, *user_ids: UserId) -> None:
        """Make accounts."""
        for user_id in user_ids:
            await self.account_store.register(NewAccount(user_id, self.clock.now_ms()), None)

    async def room(self, creator: UserId, *members: UserId) -> RoomActor:
        """A public room with some members."""

        def following(room_id: str) -> Sequence[NewEvent]:
            return [
                _member(creator, {}),
                NewEvent("m.room.join_rules", creator, {"join_rule": "public"}, state_key=""),
            ]

        creation = NewEvent("m.room.create", creator, {"room_version": "12"}, state_key="")
        actor, _, committed = self.directory.create(
            "12", creation, following, room_id=None, published=False
        )
        await committed
        for user_id in members:
            await self.join(user_id, actor)
        return actor

    async def join(self, user_id: UserId, room: RoomActor, **content: Any) -> StoredEvent:
        """Join a room, or set another name or picture in it."""
        return await room.append(_member(user_id, content))

    async def leave(self, user_id: UserId, room: RoomActor) -> StoredEvent:
        """Leave a room."""
        return await room.append(
            NewEvent("m.room.member", user_id, {"membership": "leave"}, state_key=user_id)
        )

    async def say(self, user_id: UserId, room: RoomActor, **content: Any) -> StoredEvent:
        """Send a message."""
        message = {"msgtype": "m.text", "body": "hello", **content}
        return await room.append(NewEvent("m.room.message", user_id, message))

    async def settle(self, seconds: float = 60) -> None:
        """Let what runs in the background come to its end."""
        for _ in range(200):
            self.clock.advance(seconds / 200)
        await self.log.drained()


def _member(user_id: UserId, content: dict[str, Any]) -> NewEvent:
    return NewEvent("m.room.member", user_id, {"membership": "join", **content}, state_key=user_id)
