"""A server that sends to others: real rooms and stores, and a network that does as it is told.

server = SendingServer(sqlite_at(path))
room = await server.room("@bob:there.example")
await server.says(room, "hello")
await server.passes()
server.network.pdus("there.example")
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any, Self

import attrs
from twisted.internet.defer import Deferred

from federation.outbound.catch_up import MOST_MISSED, CatchUp
from federation.outbound.courier import Courier, Outcome
from federation.outbound.cursors import CursorKeeper
from federation.outbound.destinations import Destinations
from federation.outbound.ephemeral_routing import EphemeralRouting
from federation.outbound.key_announcer import KeyAnnouncer, SharedServers
from federation.outbound.mail import OutboundMail
from federation.outbound.recovery import Recovery
from federation.outbound.relays import Relays
from federation.outbound.routing import Routing, Ways
from federation.outbound.sender import Sender
from federation.outbound.transactions import TransactionMaker
from federation.transport.destination_health import DestinationHealth
from federation.transport.errors import DestinationDenied, DestinationUnavailable, RemoteError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import DeviceId, EventId, RoomId, ServerName, UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.database import Database
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.services.encryption.device_list_changes import DeviceListChanges
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.sessions import SqlSessionStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.encryption.device_lists import SqlDeviceListStore
from storage.federation.destinations import SqlDestinationStore
from storage.federation.device_list_stream import SqlDeviceListStreamStore
from storage.federation.outbound import SqlOutboundStore
from storage.federation.outbound_messages import SqlOutboundMessageStore
from tests.deferreds import on_event_loop
from tests.rooms_fixture import SERVER, Engine, OpenEngine, RoomsCore
from tests.storage.accounts.sessions import new_session

ALICE = UserId(f"@alice:{SERVER}")
THERE = ServerName("there.example")
BOB = UserId(f"@bob:{THERE}")

_numbers = itertools.count(1)


@attrs.frozen
class Sent:
    """A transaction that arrived somewhere."""

    destination: ServerName
    txn_id: str
    content: JsonObject


class Network:
    """The servers that can be reached. See :class:`federation.outbound.courier.TransactionClient`.

    Those who are ``down`` do not answer, those who are ``refusing`` answer with a status, those who
    are ``slow`` answer when they are released.
    """

    def __init__(self, health: DestinationHealth) -> None:
        self.health = health
        self.down: set[ServerName] = set()
        self.refusing: dict[ServerName, int] = {}
        self.slow: dict[ServerName, list[Deferred[None]]] = {}
        self.losing_answers: set[ServerName] = set()
        self.denied: set[ServerName] = set()
        self.sent: list[Sent] = []
        self.attempts: list[ServerName] = []
        self.under_way: dict[ServerName, int] = {}
        self.most_under_way = 0

    async def put_json(self, destination: ServerName, path: str, content: bytes, /) -> JsonObject:
        if destination in self.denied:
            raise DestinationDenied(destination, "its address is denied")
        attempt = self.health.admit(destination)
        self.attempts.append(destination)
        assert not self.under_way.get(destination), "one transaction at a time"
        self.under_way[destination] = 1
        self.most_under_way = max(self.most_under_way, sum(self.under_way.values()))
        try:
            if destination in self.slow:
                released: Deferred[None] = Deferred()
                self.slow[destination].append(released)
                await released
        finally:
            self.under_way[destination] = 0
        is_lost = destination in self.losing_answers
        if destination not in self.down and destination not in self.refusing:
            decoded = json.loads(content)
            assert len(decoded["pdus"]) <= 50
            assert len(decoded["edus"]) <= 100
            self.sent.append(Sent(destination, path.rpartition("/")[2], decoded))
        if destination in self.down or is_lost:
            self.health.note_failure(attempt, "nobody is there")
            raise DestinationUnavailable(destination, "", self.health.retry_at_ms(destination))
        self.health.note_success(attempt)
        if destination in self.refusing:
            raise RemoteError(destination, self.refusing[destination], "M_UNKNOWN", "", {})
        return {"pdus": {}}

    def release(self, destination: ServerName) -> None:
        """Let a slow server answer, and be slow no more."""
        for waiting in self.slow.pop(destination):
            waiting.callback(None)

    def to(self, destination: ServerName) -> list[Sent]:
        """The transactions that arrived at a server."""
        return [sent for sent in self.sent if sent.destination == destination]

    def pdus(self, destination: ServerName) -> list[JsonObject]:
        """The events that arrived at a server, in order."""
        return [pdu for sent in self.to(destination) for pdu in sent.content["pdus"]]

    def bodies(self, destination: ServerName) -> list[str]:
        """What was said in those."""
        return [p["content"]["body"] for p in self.pdus(destination) if "body" in p["content"]]

    def edus(self, destination: ServerName, edu_type: str) -> list[JsonObject]:
        """The content of the EDUs of a type that arrived at a server, in order."""
        return [
            edu["content"]
            for sent in self.to(destination)
            for edu in sent.content["edus"]
            if edu["edu_type"] == edu_type
        ]


class SendingServer(RoomsCore):
    """A server as far as it sends to others."""

    def __init__(
        self,
        open_engine: OpenEngine,
        through: Callable[[Engine], Database] = lambda engine: engine,
        *,
        most_missed: int = MOST_MISSED,
        at_once: int = 100,
        peers: FederationPeers | None = None,
    ) -> None:
        super().__init__(open_engine, through)
        log, clock, directory = self.log, self.clock, self.directory
        self.outcomes: list[Outcome] = []
        self.accounts = SqlAccountStore(log)
        self.device_keys = SqlDeviceKeyStore(log)
        lists = SqlDeviceListStore(log)
        self.changes = DeviceListChanges(lists, log)
        self.health = DestinationHealth(SqlDestinationStore(log), clock, lambda: 0.0)
        self.network = Network(self.health)
        self.store = SqlOutboundStore(log, SERVER)
        self.stream = stream = SqlDeviceListStreamStore(log)
        messages = SqlOutboundMessageStore(log)
        self.destinations = Destinations(SERVER, peers or FederationPeers(None), log.published)
        self.cursors = CursorKeeper(self.store, self.destinations, clock)
        shared = SharedServers(directory, self.store, lists)
        keys = KeyAnnouncer(stream, shared, self.destinations)
        self.relays = Relays(self.store, clock, SERVER)
        self.ephemeral = EphemeralRouting(SERVER, directory, shared, self.destinations)
        self.recovery = Recovery(self.store, directory, self.destinations, self.cursors, keys)
        self.routing = Routing(
            SERVER,
            directory,
            self.destinations,
            self.cursors,
            Ways(self.relays, keys, self.ephemeral, self.recovery),
        )
        self.sender = Sender(
            self.destinations,
            Courier(self.network, self.health, clock),
            TransactionMaker(SERVER, self.events, messages, stream, clock),
            CatchUp(self.store, stream, self.cursors, most_missed),
            clock,
            at_once=at_once,
            observe=self.outcomes.append,
            moved=self.cursors.changed,
        )
        self.health.on_recovery(self.sender.alive)
        log.subscribe(self.routing.apply)
        self.mail = OutboundMail(SERVER, messages, log, self.destinations, clock)

    async def start(self) -> Self:
        """Go on where the server before this one stopped."""
        await on_event_loop(self._start())
        return self

    async def _start(self) -> None:
        await self.health.load()
        await self.relays.load()
        self.ephemeral.has_peers = await self.store.has_peers()
        await self.recovery.resume()
        await self.mail.resume()

    async def stops(self) -> None:
        """Stop in good order."""
        await on_event_loop(self.sender.stop())
        await on_event_loop(self.cursors.flush())
        await on_event_loop(self.health.flush())
        await self.close()

    # --- time

    async def settles(self) -> None:
        """Let everything happen that is due now."""
        quiet = 0
        while quiet < 5:
            self.clock.advance(0)
            is_quiet = not self.engine.readers.busy and not self.engine.writer.busy
            quiet = quiet + 1 if is_quiet else 0
            await asyncio.sleep(0 if is_quiet else 0.001)
            await on_event_loop(self.log.drained())

    async def passes(self, seconds: float = 0.0) -> None:
        """Let time pass, second by second, and everything happen that is due then."""
        await self.settles()
        while seconds > 0:
            step = min(seconds, 1.0)
            seconds -= step
            self.clock.advance(step)
            await self.settles()

    # --- people

    async def room(self, *members: UserId) -> RoomActor:
        """A public room of Alice with some members."""

        def following(room_id: RoomId) -> list[NewEvent]:
            return [
                NewEvent("m.room.member", ALICE, {"membership": "join"}, ALICE),
                NewEvent("m.room.join_rules", ALICE, {"join_rule": "public"}, ""),
            ]

        actor, _, committed = self.directory.create(
            "12",
            NewEvent("m.room.create", ALICE, {"room_version": "12"}, ""),
            following,
            room_id=None,
            published=False,
        )
        await committed
        for member in members:
            await self.member(actor, member, "join")
        return actor

    async def member(
        self, room: RoomActor, user_id: UserId, membership: str, sender: UserId | None = None
    ) -> EventId:
        """Change somebody's membership."""
        self.clock.advance(0.001)
        content = {"membership": membership}
        new = NewEvent("m.room.member", sender or user_id, content, user_id)
        return (await room.append(new)).event.event_id

    async def says(self, room: RoomActor, body: str, sender: UserId = ALICE) -> EventId:
        """Somebody says something."""
        self.clock.advance(0.001)
        new = NewEvent("m.room.message", sender, {"msgtype": "m.text", "body": body})
        return (await room.append(new)).event.event_id

    async def says_many(self, room: RoomActor, count: int) -> None:
        """Alice says a number of things, which are their own numbers."""
        committed = []
        for number in range(count):
            new = NewEvent("m.room.message", ALICE, {"msgtype": "m.text", "body": str(number)})
            committed.append(room.append_now(new)[1])
        for each in committed:
            await each

    async def device(self, user_id: UserId, device_id: str, name: str | None = None) -> None:
        """A user of this server gets a device."""
        if await self.accounts.account(user_id) is None:
            await self.accounts.register(NewAccount(user_id, 1, None), None)
        await SqlSessionStore(self.log).open(
            new_session(user_id, device_id, f"{user_id}{next(_numbers)}")
        )
        if name is not None:
            self.execute(
                "UPDATE devices SET display_name = ? WHERE user_id = ? AND device_id = ?",
                name,
                user_id,
                device_id,
            )

    async def uploads(self, user_id: UserId, device_id: str, key: str = "one") -> None:
        """A device publishes its keys."""
        content = json.dumps(device_keys(user_id, device_id, key)).encode()

        def work(tx: Any, position: int) -> None:
            self.device_keys.put_device_keys(tx, (user_id, DeviceId(device_id)), content)

        await self.changes.write(user_id, work)

    async def deletes(self, user_id: UserId, device_id: str) -> None:
        """A device is deleted."""

        def work(tx: Any, position: int) -> None:
            tx.execute("DELETE FROM device_keys WHERE device_id = ?", (device_id,))

        await self.changes.write(user_id, work)


def device_keys(user_id: UserId, device_id: str, key: str = "one") -> JsonObject:
    """The keys of a device."""
    return {
        "user_id": user_id,
        "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": {f"ed25519:{device_id}": key},
        "signatures": {},
    }


def user_at(server: str, name: str = "bob") -> UserId:
    """A user of a server."""
    return UserId(f"@{name}:{server}")
