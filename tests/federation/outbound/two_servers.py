"""Servers that talk to each other over HTTPS on loopback: all of sending, and all of receiving."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from federation.device_keys.device_keys_api import FederationDeviceKeysApi
from federation.device_keys.remote_device_lists import RemoteDeviceLists
from federation.device_keys.remote_keys import RemoteKeyQueries
from federation.edus.device_lists import DeviceListUpdateReceived, SigningKeyUpdateReceived
from federation.edus.receipts import ReceiptsReceived
from federation.edus.receiver import EduHandler, Edus
from federation.edus.to_device import ToDeviceReceived
from federation.edus.typing import TypingReceived
from federation.inbound.addressed_rooms import AddressedRooms
from federation.inbound.auth_events import AuthEvents
from federation.inbound.intake import Fetching, Intake
from federation.inbound.missing_events import MissingEvents
from federation.inbound.outcomes import Outcome as Received
from federation.inbound.recommendations import Recommendations
from federation.inbound.remote_history import RemoteHistory
from federation.inbound.room_inbox import RoomInbox
from federation.inbound.room_servers import RoomServers
from federation.inbound.states_before import StatesBefore
from federation.inbound.transactions import Admission, Transactions
from federation.inbound.transactions_api import TransactionsApi
from federation.outbound.catch_up import CatchUp
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
from federation.queries.policy_servers import PolicyServers
from federation.transport.destination_health import DestinationHealth
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.http.router import Router
from homeserver.ports.federation.remote_rooms import RemoteRooms
from homeserver.services.encryption.device_list_changes import DeviceListChanges
from homeserver.services.encryption.key_claims import KeyClaims
from homeserver.services.encryption.key_queries import KeyQueries
from homeserver.services.encryption.published_keys import PublishedKeys
from homeserver.services.encryption.to_device import ToDevice
from homeserver.services.messages.receipts import Receipts
from homeserver.services.messages.typing import Typing
from storage.encryption.cross_signing import SqlCrossSigningStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from storage.encryption.device_lists import SqlDeviceListStore
from storage.encryption.to_device import SqlToDeviceStore
from storage.federation.destinations import SqlDestinationStore
from storage.federation.device_list_stream import SqlDeviceListStreamStore
from storage.federation.outbound import SqlOutboundStore
from storage.federation.outbound_messages import SqlOutboundMessageStore
from storage.federation.remote_device_lists import SqlRemoteDeviceListStore
from storage.federation.staging import SqlStagingStore
from storage.rooms.known_events import SqlKnownEvents
from storage.rooms.receipts import SqlReceiptStore
from tests.federation.membership.servers import FederatedServer
from tests.federation.transport.conftest import Internet
from tests.rooms_fixture import OpenEngine


class Outcomes(Counter[Received]):
    """See :class:`federation.inbound.outcomes.Outcomes`."""

    def count(self, outcome: Received, number: int = 1) -> None:
        self[outcome] += number


class TalkingServer(FederatedServer):
    """A server that sends of itself, and takes in what others send."""

    def way_to_remote_rooms(self) -> RemoteRooms:
        ways = super().way_to_remote_rooms()
        log, name, clock, directory = (
            self.log,
            self.server_name,
            self.internet.clock,
            self.directory,
        )
        store, stream = SqlOutboundStore(log, name), SqlDeviceListStreamStore(log)
        messages, lists = SqlOutboundMessageStore(log), SqlDeviceListStore(log)
        self.health = DestinationHealth(SqlDestinationStore(log), clock, lambda: 0.0)
        self.destinations = Destinations(name, FederationPeers(None), log.published)
        cursors = CursorKeeper(store, self.destinations, clock)
        shared = SharedServers(directory, store, lists)
        announcer = KeyAnnouncer(stream, shared, self.destinations)
        relays = Relays(store, clock, name)
        self.relays.relay = relays.relay  # type: ignore[method-assign]
        self.relays.withhold = relays.withhold  # type: ignore[method-assign]
        routing = Routing(
            name,
            directory,
            self.destinations,
            cursors,
            Ways(
                relays,
                announcer,
                EphemeralRouting(name, directory, shared, self.destinations),
                Recovery(store, directory, self.destinations, cursors, announcer),
            ),
        )
        self.outcomes: list[Outcome] = []
        self.sender = Sender(
            self.destinations,
            Courier(self.federation_client, self.health, clock),
            TransactionMaker(name, self.events, messages, stream, clock),
            CatchUp(store, stream, cursors),
            clock,
            observe=self.outcomes.append,
            moved=cursors.changed,
        )
        self.health.on_recovery(self.sender.alive)
        log.subscribe(routing.apply)
        self.changes = DeviceListChanges(lists, log)
        self.device_keys = SqlDeviceKeyStore(log)
        mail = OutboundMail(name, messages, log, self.destinations, clock)
        self.to_device = ToDevice(SqlToDeviceStore(log), log, clock, mail)
        remote_store = SqlRemoteDeviceListStore(log, name)
        self.lists = RemoteDeviceLists(self.federation_client, remote_store, self.changes, clock)
        self.key_servers = RemoteKeyQueries(self.federation_client, self.lists)
        signing = SqlCrossSigningStore(log)
        published = PublishedKeys(self.device_keys, signing, self.changes)
        self.queries = KeyQueries(published, signing, name, self.key_servers)
        claims = KeyClaims(self.device_keys, log, clock, name, self.key_servers)
        self.keys_of_ours = FederationDeviceKeysApi(name, stream, self.queries, claims)
        return ways

    def serve(self) -> None:
        super().serve()
        directory, name, clock = self.directory, self.server_name, self.internet.clock
        known, servers = SqlKnownEvents(self.log), RoomServers(name)
        asking = RemoteHistory(self.federation_client, self.checks)
        auth = AuthEvents(asking, self.events, known, self.judging, clock)
        states = StatesBefore(asking, auth, known, directory, self.states)
        fetching = Fetching(
            MissingEvents(asking, known),
            auth,
            states,
            Recommendations(PolicyServers(self.federation_client)),
        )
        intake = Intake(directory, self.judging, fetching, servers, clock)
        counted = Outcomes()
        inbox = RoomInbox(SqlStagingStore(self.log), intake, counted, clock)
        handlers: dict[str, EduHandler] = {
            "m.typing": TypingReceived(Typing(directory, self.log, clock)),
            "m.receipt": ReceiptsReceived(
                Receipts(directory, SqlReceiptStore(), self.log, clock), clock
            ),
            "m.direct_to_device": ToDeviceReceived(name, self.to_device),
            "m.device_list_update": DeviceListUpdateReceived(self.lists),
            "m.signing_key_update": SigningKeyUpdateReceived(self.lists),
        }
        admission = Admission(AddressedRooms(directory, servers), self.checks, known)
        transactions = Transactions(admission, inbox, Edus(handlers), counted)
        dispatcher = self.surface._dispatcher
        routes = [
            *dispatcher.router.routes,
            *TransactionsApi(transactions).routes(),
            *self.keys_of_ours.routes(),
        ]
        dispatcher.router = Router(routes)
        self.start_inbox = inbox.start


def talking_server(internet: Internet, number: int, open_engine: OpenEngine) -> TalkingServer:
    """One of the servers."""
    name = ServerName(f"server{number}.test:8448")
    return TalkingServer(internet, name, f"93.184.217.{number}", open_engine)


async def until(is_so: Callable[[], Any]) -> None:
    """Wait until something has come to pass."""
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it has not come to pass")
