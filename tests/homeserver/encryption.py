"""Encryption: real services, stores, rooms and sessions, and devices that use them.

server = EncryptionServer(sqlite_at(path))
phone = await server.device("alice")
await phone.post("/keys/upload", {...})
answer = await phone.sync()
answer = await phone.sync(answer.next_batch)
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import attrs

from homeserver.api.encryption.cross_signing import CrossSigningApi
from homeserver.api.encryption.dehydrated_devices import DehydratedDevicesApi
from homeserver.api.encryption.device_keys import DeviceKeysApi
from homeserver.api.encryption.key_backup import KeyBackupApi
from homeserver.api.encryption.to_device import ToDeviceApi
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import DeviceId, RoomId, UserId
from homeserver.domain.requester import Requester
from homeserver.domain.signing import SigningKey, sign_json
from homeserver.http.rate_limits import RateLimiter
from homeserver.log.tokens import SyncToken
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.database import Database
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.services.accounts.device_traces import DeviceTraces
from homeserver.services.accounts.password_authentication import PasswordAuthentication
from homeserver.services.accounts.passwords import Passwords
from homeserver.services.accounts.uia_session_ids import UiaSessionIds
from homeserver.services.accounts.uia_stages import PasswordStage
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth
from homeserver.services.encryption.cross_signing import CrossSigning
from homeserver.services.encryption.dehydrated_devices import DehydratedDevices, DehydratedStores
from homeserver.services.encryption.device_keys import DeviceKeys
from homeserver.services.encryption.device_list_changes import DeviceListChanges
from homeserver.services.encryption.key_backup import KeyBackups
from homeserver.services.encryption.key_claims import KeyClaims
from homeserver.services.encryption.key_queries import KeyQueries
from homeserver.services.encryption.key_signatures import KeySignatures
from homeserver.services.encryption.published_keys import PublishedKeys
from homeserver.services.encryption.to_device import ToDevice
from homeserver.sync.device_lists import DeviceLists
from homeserver.sync.device_updates import DeviceStores, DeviceUpdates
from homeserver.sync.key_changes import KeyChanges
from homeserver.sync.sessions import Sessions
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.device_traces import SqlDeviceTraceStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.sessions import SqlSessionStore
from storage.accounts.uia_sessions import SqlUiaSessionStore
from storage.encryption.cross_signing import SqlCrossSigningStore
from storage.encryption.dehydrated_devices import SqlDehydratedDeviceStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.encryption.device_lists import SqlDeviceListStore
from storage.encryption.key_backup import SqlKeyBackupStore
from storage.encryption.key_counts import SqlKeyCountStore
from storage.encryption.to_device import SqlToDeviceStore
from storage.personal.account_data import SqlAccountDataStore
from tests.homeserver.accounts import CHEAP, PASSWORD, run_here
from tests.http_requests import Response, TestClient
from tests.rooms_fixture import SERVER, V3, Engine, KnownTokens, OpenEngine, RoomsCore
from tests.storage.accounts.sessions import new_session

_numbers = itertools.count(1)


class EncryptionServer(RoomsCore):
    """The services of encryption over real rooms."""

    def __init__(
        self,
        open_engine: OpenEngine,
        through: Callable[[Engine], Database] = lambda engine: engine,
    ) -> None:
        super().__init__(open_engine, through)
        log, clock = self.log, self.clock
        self.accounts = SqlAccountStore(log)
        self.device_store = SqlDeviceStore(log)
        self.to_device_store = SqlToDeviceStore(log)
        self.tokens = KnownTokens()
        self.passwords = Passwords(run_here, CHEAP)
        limiter = RateLimiter({}, clock.monotonic)
        keys, signing = SqlDeviceKeyStore(log), SqlCrossSigningStore(log)
        lists, traces = SqlDeviceListStore(log), SqlDeviceTraceStore(log)
        self.changes = DeviceListChanges(lists, log)
        self.traces = DeviceTraces(traces, self.changes, log)
        self.to_device = ToDevice(self.to_device_store, log, clock)
        self.sessions = Sessions(log, self.directory, SqlAccountDataStore(log), clock)
        device_lists = DeviceLists(lists, self.directory)
        self.updates = DeviceUpdates(
            log,
            clock,
            DeviceStores(self.to_device_store, SqlKeyCountStore(log)),
            device_lists,
            self.sessions.who_look_at,
        )
        authentication = PasswordAuthentication(self.accounts, self.passwords, limiter, SERVER)
        interactive = UserInteractiveAuth(
            [PasswordStage(authentication)],
            UiaSessionIds(b"s" * 32),
            SqlUiaSessionStore(log),
            clock,
        )
        stores = DehydratedStores(
            SqlDehydratedDeviceStore(log), keys, signing, traces, self.to_device_store
        )
        self.client = TestClient(
            [
                ToDeviceApi(self.to_device),
                DeviceKeysApi(
                    DeviceKeys(keys, signing, self.changes, log, clock),
                    KeyQueries(PublishedKeys(keys, signing, self.changes), signing, SERVER),
                    KeyClaims(keys, log, clock, SERVER),
                    KeyChanges(device_lists, self.sessions, log).between,
                ),
                CrossSigningApi(
                    CrossSigning(signing, self.changes, log),
                    KeySignatures(keys, signing, self.changes, log),
                    interactive,
                ),
                KeyBackupApi(KeyBackups(SqlKeyBackupStore(), log)),
                DehydratedDevicesApi(DehydratedDevices(stores, self.changes, clock)),
            ],
            self.tokens,
            limiter,
            clock,
        )

    async def device(self, name: str, device_id: str = "PHONE") -> ClientDevice:
        """A device of a user, who is registered if they are not."""
        user_id = UserId(f"@{name}:{SERVER}")
        if await self.accounts.account(user_id) is None:
            password_hash = await self.passwords.hash(PASSWORD)
            await self.accounts.register(NewAccount(user_id, 1, password_hash), None)
        token = f"{user_id}/{device_id}"
        await SqlSessionStore(self.log).open(new_session(user_id, device_id, token))
        return self.known_device(user_id, device_id)

    def known_device(self, user_id: UserId, device_id: str) -> ClientDevice:
        """A device that was made before a restart."""
        token = f"{user_id}/{device_id}"
        self.tokens.requesters[token] = Requester(user_id, DeviceId(device_id), next(_numbers))
        return ClientDevice(self, user_id, DeviceId(device_id), token)

    async def room(self, creator: ClientDevice, *members: ClientDevice) -> RoomActor:
        """A public room with some members."""

        def following(room_id: RoomId) -> list[NewEvent]:
            return [
                _member(creator, "join"),
                NewEvent(
                    "m.room.join_rules", creator.user_id, {"join_rule": "public"}, state_key=""
                ),
            ]

        creation = NewEvent("m.room.create", creator.user_id, {"room_version": "12"}, state_key="")
        actor, _, committed = self.directory.create(
            "12", creation, following, room_id=None, published=False
        )
        await committed
        for device in members:
            await device.joins(actor)
        return actor


@attrs.frozen
class Answer:
    """What a sync tells of devices."""

    next_batch: str
    body: JsonObject
    is_news: bool

    @property
    def messages(self) -> list[JsonObject]:
        """The to-device messages."""
        return list(self.body.get("to_device", {}).get("events", []))

    @property
    def changed(self) -> list[str]:
        """Whose keys are to be asked for again."""
        return list(self.body.get("device_lists", {}).get("changed", []))

    @property
    def left(self) -> list[str]:
        """Who shares no room any more."""
        return list(self.body.get("device_lists", {}).get("left", []))


@attrs.frozen
class ClientDevice:
    """A device that makes requests. Paths are those below ``v3``, or whole ones."""

    server: EncryptionServer
    user_id: UserId
    device_id: DeviceId
    token: str

    async def get(self, path: str) -> Response:
        return await self.request("GET", path)

    async def post(self, path: str, body: Any = None) -> Response:
        return await self.request("POST", path, {} if body is None else body)

    async def put(self, path: str, body: Any = None) -> Response:
        return await self.request("PUT", path, {} if body is None else body)

    async def delete(self, path: str) -> Response:
        return await self.request("DELETE", path)

    async def request(self, method: str, path: str, body: Any = None) -> Response:
        whole = path if path.startswith("/_matrix/") else V3 + path
        return await self.server.client.request(method, whole, body, token=self.token)

    async def sends(self, *to: ClientDevice, txn_id: str, **content: Any) -> Response:
        """Send a to-device message to some devices."""
        messages: dict[str, dict[str, JsonObject]] = {}
        for device in to:
            messages.setdefault(device.user_id, {})[device.device_id] = content
        return await self.put(f"/sendToDevice/org.example.note/{txn_id}", {"messages": messages})

    async def sync(self, since: str | None = None) -> Answer:
        """What a sync that answers at once tells of devices."""
        server = self.server
        until = SyncToken(tuple(server.log.published))
        start = SyncToken.parse(since, server.log.shards) if since is not None else None
        session = await server.sessions.of(self.user_id)
        if start is not None:
            server.updates.acknowledge(session, self.device_id, start)
        parts = await server.updates.parts(session, self.device_id, start, until)
        is_news = start is None or server.updates.tells_news(session, self.device_id, start, parts)
        return Answer(str(until), json.loads(b"{%s}" % b",".join(parts)), is_news)

    async def has_news(self, since: str) -> bool:
        """Whether a sync would look."""
        session = await self.server.sessions.of(self.user_id)
        token = SyncToken.parse(since, self.server.log.shards)
        return self.server.updates.has_news(session, self.device_id, token)

    async def is_up_to_date(self) -> str:
        """Sync until there is no news; the token."""
        token = (await self.sync()).next_batch
        while await self.has_news(token):
            token = (await self.sync(token)).next_batch
        return token

    async def joins(self, room: RoomActor) -> None:
        await room.append(_member(self, "join"))

    async def leaves(self, room: RoomActor) -> None:
        await room.append(_member(self, "leave"))

    async def takes_name(self, room: RoomActor, name: str) -> None:
        await room.append(_member(self, "join", displayname=name))

    def identity_keys(self, signing: SigningKey | None = None, **more: Any) -> JsonObject:
        """Device keys, signed if there is a key to sign with."""
        public = signing.verify_key_base64 if signing is not None else "ed"
        keys: JsonObject = {
            "user_id": self.user_id,
            "device_id": self.device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
            "keys": {f"ed25519:{self.device_id}": public, f"curve25519:{self.device_id}": "curve"},
            "signatures": {},
            **more,
        }
        return sign_json(keys, self.user_id, signing) if signing is not None else keys

    async def uploads(self, **parts: Any) -> Response:
        """Upload keys."""
        response = await self.post("/keys/upload", parts)
        assert response.status == 200, response.json
        return response


def one_time_keys(*key_ids: str, key: str = "key", **more: Any) -> JsonObject:
    """One-time or fallback keys by name."""
    return {f"signed_curve25519:{name}": {"key": f"{key} {name}", **more} for name in key_ids}


def signing_key(name: str, version: str = "unnamed") -> SigningKey:
    """A signing key that is always the same."""
    return SigningKey.from_seed(version, f"{name:A<42}A")


def _member(device: ClientDevice, membership: str, **content: Any) -> NewEvent:
    user_id = device.user_id
    return NewEvent(
        "m.room.member", user_id, {"membership": membership, **content}, state_key=user_id
    )
