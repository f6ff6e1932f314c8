"""A server that other servers tell of typing, receipts, presence, messages and devices."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from twisted.internet.defer import Deferred

from federation.device_keys.device_keys_api import FederationDeviceKeysApi
from federation.device_keys.remote_device_lists import RemoteDeviceLists
from federation.device_keys.remote_keys import RemoteKeyQueries
from federation.edus.device_lists import DeviceListUpdateReceived, SigningKeyUpdateReceived
from federation.edus.presence import PresenceReceived
from federation.edus.receipts import ReceiptsReceived
from federation.edus.receiver import Edus
from federation.edus.to_device import ToDeviceReceived
from federation.edus.typing import TypingReceived
from federation.edus.unseen_users import UnseenUsers
from federation.transport.errors import DestinationUnavailable
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.services.encryption.key_claims import KeyClaims
from homeserver.services.encryption.key_queries import KeyQueries
from homeserver.services.encryption.published_keys import PublishedKeys
from homeserver.services.messages.receipts import Receipts
from homeserver.services.messages.typing import Typing
from homeserver.services.personal.presence import Presence
from storage.encryption.cross_signing import SqlCrossSigningStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.encryption.device_lists import SqlDeviceListStore
from storage.federation.device_list_stream import SqlDeviceListStreamStore
from storage.federation.remote_device_lists import SqlRemoteDeviceListStore
from storage.rooms.memberships import SqlMembershipStore
from storage.rooms.receipts import SqlReceiptStore
from tests.homeserver.encryption import EncryptionServer
from tests.rooms_fixture import SERVER, OpenEngine

THERE = ServerName("there.example")
BOB = UserId(f"@bob:{THERE}")


class RemoteUsers:
    """The servers of others, and what they answer of their users' devices.

    See :class:`federation.device_keys.remote_servers.RemoteServers`. While ``held`` is set, answers
    wait.
    """

    def __init__(self) -> None:
        self.lists: dict[str, JsonObject] = {}
        self.answers_next: list[JsonObject] = []
        self.claims: JsonObject = {}
        self.is_down = False
        self.asked: list[str] = []
        self.held: list[Deferred[None]] | None = None

    async def get_json(
        self, destination: ServerName, path: str, /, *, max_bytes: int | None = None
    ) -> JsonObject:
        user_id = unquote(path.rpartition("/")[2])
        self.asked.append(user_id)
        await self._answer(destination)
        return self.answers_next.pop(0) if self.answers_next else self.lists[user_id]

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject,
        /,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> JsonObject:
        self.asked.append(path.rpartition("/")[2])
        await self._answer(destination)
        if path.endswith("claim"):
            return self.claims
        lists = {user: self.lists[user] for user in content["device_keys"] if user in self.lists}
        return {
            "device_keys": {
                user: {
                    device["device_id"]: {
                        **device["keys"],
                        "unsigned": {"device_display_name": device.get("device_display_name")},
                    }
                    for device in listed["devices"]
                }
                for user, listed in lists.items()
            },
            "master_keys": {
                user: listed["master_key"]
                for user, listed in lists.items()
                if "master_key" in listed
            },
        }

    async def _answer(self, destination: ServerName) -> None:
        if self.held is not None:
            waiting: Deferred[None] = Deferred()
            self.held.append(waiting)
            await waiting
        if self.is_down:
            raise DestinationUnavailable(destination, "nobody is there")

    def release(self) -> None:
        """Let the answers come."""
        held, self.held = self.held or [], None
        for waiting in held:
            waiting.callback(None)


class ReceivingServer(EncryptionServer):
    """A server that takes in EDUs."""

    def __init__(self, open_engine: OpenEngine) -> None:
        super().__init__(open_engine)
        log, clock = self.log, self.clock
        self.remote = RemoteUsers()
        store = SqlRemoteDeviceListStore(log, SERVER)
        self.lists = RemoteDeviceLists(self.remote, store, self.changes, clock)
        log.subscribe(UnseenUsers(SERVER, self.directory, self.lists).apply)
        self.typing = Typing(self.directory, log, clock)
        self.receipts = Receipts(self.directory, SqlReceiptStore(), log, clock)
        memberships = SqlMembershipStore(log)
        self.presence = Presence(log, memberships, clock)
        keys, signing = SqlDeviceKeyStore(log), SqlCrossSigningStore(log)
        self.device_keys = keys
        self.key_servers = RemoteKeyQueries(self.remote, self.lists)
        published = PublishedKeys(keys, signing, self.changes)
        self.queries = KeyQueries(published, signing, SERVER, self.key_servers)
        self.claims = KeyClaims(keys, log, clock, SERVER, self.key_servers)
        self.stream = SqlDeviceListStreamStore(log)
        self.api = FederationDeviceKeysApi(SERVER, self.stream, self.queries, self.claims)
        signing_keys = SigningKeyUpdateReceived(self.lists)
        self.edus = Edus(
            {
                "m.typing": TypingReceived(self.typing),
                "m.receipt": ReceiptsReceived(self.receipts, clock),
                "m.presence": PresenceReceived(self.presence, SqlDeviceListStore(log)),
                "m.direct_to_device": ToDeviceReceived(SERVER, self.to_device),
                "m.device_list_update": DeviceListUpdateReceived(self.lists),
                "m.signing_key_update": signing_keys,
                "org.matrix.signing_key_update": signing_keys,
            }
        )

    async def hears(self, edu_type: str, content: Any, origin: ServerName = THERE) -> None:
        """An EDU arrives."""
        await self.edus.receive(origin, edu_type, content)

    async def joins(self, room: RoomActor, user_id: UserId, membership: str = "join") -> None:
        """The membership of a user of another server changes."""
        content = {"membership": membership}
        await room.append(NewEvent("m.room.member", user_id, content, user_id))

    async def keys_of(self, viewer: UserId, *wanted: UserId) -> Any:
        """What a user is answered about the keys of others."""
        return json.loads(await self.queries.query(viewer, {user_id: [] for user_id in wanted}))


def remote_device(device_id: str, key: str = "one", user_id: UserId = BOB) -> JsonObject:
    """A device as its server lists it."""
    keys = {
        "user_id": user_id,
        "device_id": device_id,
        "algorithms": [],
        "keys": {f"ed25519:{device_id}": key},
        "signatures": {},
    }
    return {"device_id": device_id, "keys": keys, "device_display_name": f"the {device_id}"}


def remote_list(stream_id: int, *devices: JsonObject, user_id: UserId = BOB) -> JsonObject:
    """The list of a user's devices as their server answers it."""
    return {"user_id": user_id, "stream_id": stream_id, "devices": list(devices)}
