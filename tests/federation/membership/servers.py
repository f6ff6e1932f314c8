"""Servers that join, leave, invite and knock at each other over HTTPS on loopback.

    world = World(internet)
    here, there = world.server("here.test"), world.server("there.test")
    room = await there.person("bob").creates_room(preset="public_chat")
    await here.person("alice").joins_via(room, there)

What is appended on one server reaches the others only when a test passes it on with ``hears``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from federation.http.keys import KeysApi
from federation.http.request_authentication import Hearing, RequestAuthentication
from federation.inbound.event_checks import EventChecks
from federation.inbound.judging import Judging
from federation.keys.key_book import KeyBook
from federation.keys.key_fetching import KeyFetching
from federation.keys.key_ring import KeyRing
from federation.keys.key_sources import OriginSource
from federation.keys.notary import KeyNotary
from federation.keys.own_keys import OwnKeys
from federation.keys.signature_checker import SignatureChecker
from federation.membership.departures import RemoteDepartures
from federation.membership.handshake import Handshake, Pen
from federation.membership.handshake_api import HandshakeApi
from federation.membership.incoming_invites import Guestbook, IncomingInvites
from federation.membership.invites_api import InvitesApi
from federation.membership.join_answer import JoinLimits, JoinSubmission
from federation.membership.joins import Arrivals, Asking, Joins, Progress, Sending
from federation.membership.knocks import Knocks
from federation.membership.member_templates import MemberTemplates
from federation.membership.outgoing_invites import OutgoingInvites
from federation.membership.remote_rooms import FederatedRooms, Ways
from federation.membership.resident_joins import ResidentJoins
from federation.membership.resident_rooms import ResidentRooms
from federation.membership.room_description import Descriptions
from federation.membership.submissions import Doorkeeping, Submissions
from federation.membership.third_party_invites import ThirdPartyInvites
from federation.membership.told_room import ToldRooms
from federation.membership.withdrawals import Withdrawals
from federation.transport.destination_health import DestinationHealth
from federation.transport.federation_client import ClientSettings, FederationClient, Reach
from federation.transport.request_paths import federation_path
from federation.transport.request_signing import RequestSigner
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event, StateKey
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.domain.signing import SigningKey
from homeserver.http.answers import Answer
from homeserver.http.dispatch import Dispatcher
from homeserver.http.limits import RequestLimits
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Route
from homeserver.http.transport import MatrixFactory
from homeserver.ports.federation.remote_rooms import RemoteRooms
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.counting import EventCounter
from homeserver.rooms.incoming import Arrival, Incoming
from homeserver.rooms.out_of_band import OutOfBandMemberships
from homeserver.rooms.room_imports import RoomImports
from homeserver.rooms.room_states import RoomStates, current
from homeserver.services.rooms.restricted_joins import RestrictedJoins
from homeserver.services.turns import Turns
from storage.federation.destinations import SqlDestinationStore
from storage.federation.server_keys import SqlServerKeyStore
from storage.rooms.out_of_band import SqlOutOfBandStore
from storage.rooms.room_imports import SqlRoomImportStore
from storage.rooms.room_states import SqlRoomStateStore
from tests.clock import FakeClock
from tests.federation.key_servers import NoUsers
from tests.federation.transport.conftest import Internet
from tests.http_requests import Response
from tests.http_wire import NobodyCounts, run_here
from tests.rooms_fixture import OpenEngine, Person, quoted
from tests.sliding_fixture import SlidingServer
from tests.sync_fixture import in_memory

_numbers = itertools.count(1)

Disturbance = Callable[[Request], Answer | None]
"""Answers a request in the place of a server, or lets it do so (None)."""


class Watched:
    """See :class:`federation.membership.told_room.JoinWatch`."""

    def __init__(self) -> None:
        self.events = 0
        self.outcomes: list[str] = []

    def checked(self, events: int) -> None:
        self.events += events

    def ended(self, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)


class NotedRelays:
    """See :class:`federation.membership.event_intake.Relaying`."""

    def __init__(self) -> None:
        self.relayed: list[EventId] = []
        self.withheld: list[EventId] = []

    async def relay(self, event_id: EventId) -> None:
        self.relayed.append(event_id)

    def withhold(self, event_id: EventId) -> None:
        self.withheld.append(event_id)


class PlainIntake:
    """See :class:`federation.membership.event_intake.EventIntake`."""

    def __init__(self, judging: Judging) -> None:
        self._judging = judging

    async def take_in(self, room_nid: int, event: Event, origin: ServerName) -> Standing:
        return await self._judging.take_in(room_nid, Arrival(event))


class Everybody:
    """See :class:`federation.membership.incoming_invites.LocalUsers`."""

    async def is_active(self, user_id: UserId) -> bool:
        return not user_id.startswith("@nobody:")


class Disturbed:
    """A dispatcher whose answers a test may replace."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.disturb: Disturbance = lambda request: None
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dispatcher, name)

    async def answer(self, route: Route, request: Request) -> Answer:
        if "/federation/" in request.path:
            self.asked.append(request.path.split("/")[4])
        replaced = self.disturb(request)
        return replaced or await self._dispatcher.answer(route, request)


class FederatedServer(SlidingServer):
    """A server of a small internet, with rooms and what other servers ask about them."""

    def __init__(
        self, internet: Internet, name: ServerName, address: str, open_engine: OpenEngine
    ) -> None:
        self.internet = internet
        self.server_name = name
        self.signing_key = SigningKey.generate("a_1")
        self.address = address
        super().__init__(open_engine)
        self.serve()

    def new_clock(self) -> FakeClock:
        return FakeClock(int(time.time() * 1000))

    def way_to_remote_rooms(self) -> RemoteRooms:
        log, clock, name = self.log, self.clock, self.server_name
        health = DestinationHealth(SqlDestinationStore(log), self.internet.clock, lambda: 0.0)
        self.federation_client = FederationClient(
            RequestSigner(name, self.signing_key),
            Reach(FederationPeers(None), self.internet.discovery(), health),
            self.internet.http,
            self.internet.clock,
            ClientSettings("test", 20.0),
        )
        own = OwnKeys(name, [self.signing_key], [], clock)
        key_store = SqlServerKeyStore(log)
        book = KeyBook(key_store)
        origins = KeyFetching(OriginSource(self.federation_client, clock), book, clock)
        self.ring = KeyRing(own, book, [origins], clock)
        self.keys_api = KeysApi(own, KeyNotary(own, key_store, origins, run_here, clock), clock)
        self.signatures = SignatureChecker(self.ring, run_here)
        self.checks = EventChecks(self.signatures, run_here)
        self.states = RoomStates(SqlRoomStateStore(log), self.events, run_here)
        self.judging = Judging(
            Incoming(self.directory, self.states, EventCounter(name, self.push_rules_index))
        )
        self.intake = PlainIntake(self.judging)
        self.relays = NotedRelays()
        self.watched = Watched()
        self.pen = Pen(
            name, self.signing_key, clock, lambda: EventId(f"$made{next(_numbers)}:{name}")
        )
        turns = Turns()
        self.handshake = Handshake(self.federation_client, self.pen)
        self.descriptions = Descriptions(self.checks)
        self.out_of_band = OutOfBandMemberships(self.directory, log, SqlOutOfBandStore(log), clock)
        self.imports = RoomImports(self.directory, log, SqlRoomImportStore(log), clock, run_here)
        self.outgoing_invites = OutgoingInvites(
            self.directory, self.federation_client, self.signatures, self.intake, name
        )
        self.guests_of_others = Guestbook(
            Everybody(), self.invite_permissions, lambda user_id: None, self.out_of_band, turns
        )
        self.withdrawals = Withdrawals(self.checks, self.out_of_band, turns, name)
        client = self.federation_client
        ways = Ways(
            Joins(
                self.directory,
                Asking(
                    self.handshake,
                    JoinSubmission(client, JoinLimits()),
                    ToldRooms(self.checks, run_here, self.watched),
                ),
                Arrivals(self.imports, self.judging, self.out_of_band, turns, name),
                Sending(self.intake, self.relays),
                Progress(self.watched, self.internet.clock),
            ),
            Knocks(client, self.handshake, self.descriptions, self.out_of_band, turns),
            RemoteDepartures(client, self.handshake, self.pen, self.out_of_band, turns),
            self.outgoing_invites,
        )
        return FederatedRooms(ways, self.out_of_band, name)

    def serve(self) -> None:
        """Listen for other servers."""
        name = self.server_name
        resident = ResidentRooms(self.directory, name)
        restricted = RestrictedJoins(self.directory, name)
        door = Doorkeeping(self.checks, restricted, self.intake, self.relays)
        apis: list[Any] = [
            self.keys_api,
            HandshakeApi(
                MemberTemplates(resident, restricted, name),
                Submissions(resident, door, self.pen),
                ResidentJoins(self.states, self.events, name, many_members=4),
                self.events,
                run_here,
            ),
            InvitesApi(
                IncomingInvites(
                    self.directory,
                    self.checks,
                    self.descriptions,
                    self.guests_of_others,
                    self.pen,
                ),
                ThirdPartyInvites(resident, self.directory, self.outgoing_invites, name),
            ),
        ]
        limiter = RateLimiter({}, self.clock.monotonic)
        hearing = Hearing(FederationPeers(None), limiter, lambda server: None)
        dispatcher = Dispatcher(
            Router([route for api in apis for route in api.routes()]),
            NoUsers(),
            RequestLimits(limiter, 100_000),
            lambda *_: None,
            RequestAuthentication(self.ring, hearing, run_here),
        )
        self.surface = Disturbed(dispatcher)
        factory = MatrixFactory(
            self.surface,  # type: ignore[arg-type]
            self.internet.reactor,
            max_upload_bytes=1,
            in_flight=NobodyCounts(),
            run_in_thread=run_here,
        )
        host = name.partition(":")[0]
        self.internet.zone.address(host, self.address)
        certificate = self.internet.ca.issue(host)
        self.internet._listen(factory, self.address, 8448, certificate)

    def vanish(self) -> None:
        """Nobody is at the server's address any more."""
        del self.internet.reactor.routes[self.address, 8448]

    async def hears(self, room_id: str, event: Event) -> Standing:
        """An event of another server arrives."""
        actor = await self.directory.by_id(RoomId(room_id))
        return await self.intake.take_in(actor.view.nid, event, self.server_name)

    async def current_state(self, room_id: str) -> dict[StateKey, EventId]:
        """The current state of a room, as the database has it."""
        actor = await self.actor(room_id)
        await actor.settled()
        events = await self.states.events(actor.view, current(actor.view))
        return {key: stored.event.event_id for key, stored in events.items()}

    async def newest(self, room_id: str) -> Event:
        """The newest event of a room."""
        return (await self.timeline(room_id))[-1].event

    async def asks(
        self,
        other: FederatedServer,
        method: str,
        *segments: str,
        content: JsonObject | None = None,
        version: str = "v1",
        **query: Any,
    ) -> Any:
        """The JSON that another server answers to a signed request."""
        path = federation_path(*segments, version=version)
        if method == "GET":
            return await self.federation_client.get_json(other.server_name, path, query=query)
        return await self.federation_client.put_json(
            other.server_name, path, content or {}, query=query
        )


class World:
    """Servers that can reach each other."""

    def __init__(self, internet: Internet) -> None:
        self._internet = internet
        self.servers: list[FederatedServer] = []

    def server(self, name: str, open_engine: OpenEngine = in_memory) -> FederatedServer:
        """A new server."""
        address = f"93.184.216.{len(self.servers) + 1}"
        server_name = ServerName(f"{name}:8448")
        made = FederatedServer(self._internet, server_name, address, open_engine)
        self.servers.append(made)
        return made

    async def close(self) -> None:
        """Let pending writes end."""
        for server in self.servers:
            await server.close()


async def join(person: Person, room_id: str, *via: FederatedServer) -> Response:
    """Try to join a room through some servers."""
    query = "&".join(f"via={quote(server.server_name)}" for server in via)
    return await person.post(f"/join/{quoted(room_id)}?{query}")


async def knock(person: Person, room_id: str, *via: FederatedServer) -> Response:
    """Try to knock on a room through some servers."""
    query = "&".join(f"via={quote(server.server_name)}" for server in via)
    return await person.post(f"/knock/{quoted(room_id)}?{query}")


async def leave(person: Person, room_id: str) -> Response:
    """Try to leave a room."""
    return await person.post(f"/rooms/{quoted(room_id)}/leave")


async def invite(person: Person, room_id: str, other: Person) -> Response:
    """Try to invite somebody."""
    return await person.post(f"/rooms/{quoted(room_id)}/invite", {"user_id": other.user_id})
