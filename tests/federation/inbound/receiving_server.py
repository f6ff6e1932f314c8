"""A server that receives events: everything of `federation.inbound` over a real database."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred

from federation.inbound.addressed_rooms import AddressedRooms
from federation.inbound.auth_events import AuthEvents
from federation.inbound.event_checks import EventChecks
from federation.inbound.history import History, Placing
from federation.inbound.intake import Fetching, Intake
from federation.inbound.judging import Judging
from federation.inbound.missing_events import MissingEvents
from federation.inbound.outcomes import Outcome
from federation.inbound.recommendations import Recommendations
from federation.inbound.remote_history import RemoteHistory
from federation.inbound.room_inbox import RoomInbox
from federation.inbound.room_servers import RoomServers
from federation.inbound.states_before import StatesBefore
from federation.inbound.transactions import Admission, Transactions
from federation.inbound.transactions_api import TransactionsApi
from federation.keys.key_ring import KeyRing
from federation.keys.signature_checker import SignatureChecker
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.event_signatures import sign_event
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, ServerName, UserId
from homeserver.domain.policy_servers import PolicyServer, is_recommended
from homeserver.domain.signing import SigningKey
from homeserver.http.dispatch import Dispatcher
from homeserver.http.limits import RequestLimits
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.log.entries import Entry, EventEntry
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.ports.rooms.states import Gap
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.counting import EventCounter
from homeserver.rooms.gap_filling import GapFilling
from homeserver.rooms.incoming import Arrival, Incoming
from homeserver.rooms.room_imports import RoomImports
from homeserver.rooms.room_states import RoomStates, current
from homeserver.services.messages import history as reading
from storage.federation.staging import SqlStagingStore
from storage.rooms.gaps import SqlGapStore
from storage.rooms.known_events import SqlKnownEvents
from storage.rooms.room_imports import SqlRoomImportStore
from storage.rooms.room_states import SqlRoomStateStore
from tests.federation.inbound.remote_servers import KnownKeys, RemoteServer, RemoteServers
from tests.federation.key_servers import NoUsers
from tests.homeserver.domain.event_factory import Branch, Room
from tests.http_requests import Response, make_request
from tests.http_wire import run_here
from tests.rooms_fixture import SERVER, OpenEngine, RoomsServer

ANNA = UserId(f"@anna:{SERVER}")
A = ServerName("a.example")
B = ServerName("b.example")
C = ServerName("c.example")
SEND = "/_matrix/federation/v1/send/txn"


class CountedOutcomes:
    """See :class:`federation.inbound.outcomes.Outcomes`."""

    def __init__(self) -> None:
        self.counted: Counter[Outcome] = Counter()

    def count(self, outcome: Outcome, number: int = 1) -> None:
        self.counted[outcome] += number


class RecordedEdus:
    """See :class:`federation.inbound.edu_receiver.EduReceiver`."""

    def __init__(self) -> None:
        self.received: list[tuple[ServerName, str, JsonObject]] = []
        self.failing: set[str] = set()

    async def receive(self, origin: ServerName, edu_type: str, content: JsonObject) -> None:
        if edu_type in self.failing:
            raise RuntimeError(edu_type)
        self.received.append((origin, edu_type, content))


class PolicyAdvice:
    """See :class:`homeserver.ports.federation.policy_servers.PolicyServers`.

    It signs whatever does not say "spam". While it is ``held`` its answers wait.
    """

    def __init__(self) -> None:
        self.key = SigningKey.generate("policy_server")
        self.asked: list[EventId] = []
        self.held: Deferred[None] | None = None

    async def recommended(self, event: Event, policy: PolicyServer) -> Event:
        if is_recommended(event, policy):
            return event
        self.asked.append(event.event_id)
        if self.held is not None:
            await self.held
        if "spam" in event.content.values():
            raise Forbidden("This looks like spam")
        return sign_event(event, policy.server, self.key)


class SaysWho:
    """See :class:`homeserver.http.authentication.OriginAuthenticator`."""

    async def authenticate(self, request: Request) -> ServerName:
        return ServerName(request.headers.get("authorization") or "")


class ReceivingServer:
    """One server, which starts again over the same database with ``restarted``."""

    def __init__(self, open_engine: OpenEngine, remote: RemoteServers, keys: KnownKeys) -> None:
        self.core = core = RoomsServer(open_engine)
        self.remote, self.keys = remote, keys
        self.clock = core.clock
        self.outcomes = CountedOutcomes()
        self.edus = RecordedEdus()
        self.policy = PolicyAdvice()
        directory, log = core.directory, core.log
        self.checks = EventChecks(SignatureChecker(cast(KeyRing, keys), run_here), run_here)
        self.state_store = SqlRoomStateStore(log)
        self.states = states = RoomStates(self.state_store, core.events, run_here)
        counter = EventCounter(SERVER, core.push_rules_index)
        self.judging = judging = Judging(Incoming(directory, states, counter), workers=2)
        self.imports = RoomImports(directory, log, SqlRoomImportStore(log), core.clock, run_here)
        known = SqlKnownEvents(log)
        servers = RoomServers(SERVER)
        asking = RemoteHistory(remote, self.checks)
        auth = AuthEvents(asking, core.events, known, judging, core.clock)
        fetching = Fetching(
            MissingEvents(asking, known),
            auth,
            StatesBefore(asking, auth, known, directory, states),
            Recommendations(self.policy),
        )
        self.intake = Intake(directory, judging, fetching, servers, core.clock)
        self.staging = SqlStagingStore(log)
        self.inbox = RoomInbox(self.staging, self.intake, self.outcomes, core.clock)
        filling = GapFilling(directory, states, SqlGapStore(log))
        placing = Placing(directory, judging, filling, self.state_store, known)
        self.history = History(asking, fetching, placing, servers, core.clock)
        self.reading = reading.History(
            directory,
            core.presenter,
            core.visibility,
            core.relation_store,
            core.clock,
            self.history,
        )
        admission = Admission(AddressedRooms(directory, servers), self.checks, known)
        api = TransactionsApi(Transactions(admission, self.inbox, self.edus, self.outcomes))
        self.dispatcher = Dispatcher(
            Router(api.routes()),
            NoUsers(),
            RequestLimits(RateLimiter({}, lambda: 0.0), 1_000_000),
            lambda *_: None,
            SaysWho(),
        )
        self._transactions = 0

    async def restarted(self) -> ReceivingServer:
        """The server after it died and was started again."""
        await self.close()
        return ReceivingServer(self.core.open_engine, self.remote, self.keys)

    async def close(self) -> None:
        self.inbox.stop()
        await self.core.close()

    # --- rooms

    async def joins(self, branch: Branch, user: UserId = ANNA) -> RoomActor:
        """Let a user in by the help of another server."""
        state = dict(branch.state)
        needed = list(state.values())
        for event in needed:
            cited = [branch.room.events[i] for i in event.auth_event_ids]
            needed += [each for each in cited if each not in needed]
        join = branch.join(user)
        actor = await self.imports.bring_in(
            join.room_id,
            branch.room.version.identifier,
            needed,
            {key: event.event_id for key, event in state.items()},
        )
        before = current(actor.view)
        standing = await self.judging.take_in(actor.view.nid, Arrival(join, before))
        assert standing is Standing.ACCEPTED
        return actor

    async def room(self, branch: Branch) -> RoomActor:
        return await self.core.directory.by_id(branch.room.create.room_id)

    async def state(self, branch: Branch) -> dict[StateKey, EventId]:
        """The current state of a room, as the database has it."""
        actor = await self.room(branch)
        await actor.settled()
        events = await self.states.events(actor.view, current(actor.view))
        return {key: stored.event.event_id for key, stored in events.items()}

    async def timeline(self, branch: Branch) -> list[StoredEvent]:
        actor = await self.room(branch)
        return await self.core.events.store.timeline(actor.view.nid, backwards=False, limit=1000)

    async def shown(self, branch: Branch) -> list[EventId]:
        """The events of a room's timeline, oldest first."""
        return [stored.event.event_id for stored in await self.timeline(branch)]

    async def shows(self, event: Event) -> None:
        """Wait until an event is published."""
        published: Deferred[None] = Deferred()

        def look(entries: Sequence[Entry]) -> None:
            for entry in entries:
                is_it = isinstance(entry, EventEntry) and entry.append.stored.event == event
                if is_it and not published.called:
                    published.callback(None)

        self.core.log.subscribe(look)
        look(self.core.entries)
        await published

    async def gaps(self, branch: Branch) -> list[Gap]:
        return await self.state_store.gaps((await self.room(branch)).view.nid)

    async def standing(self, event: Event) -> Standing | None:
        """What became of an event; None when it is not known."""
        found = await self.core.events.fetch_ids([event.event_id])
        return found[event.event_id].standing if found else None

    # --- receiving

    async def sent(
        self,
        origin: ServerName,
        pdus: Iterable[Event | JsonObject],
        edus: Iterable[Any] = (),
        txn_id: str | None = None,
    ) -> Response:
        """Receive a transaction; the answer."""
        self._transactions += 1
        bodies = [each.pdu_object() if isinstance(each, Event) else each for each in pdus]
        target = f"/_matrix/federation/v1/send/{txn_id or f'txn{self._transactions}'}"
        body = {"origin": origin, "pdus": bodies, "edus": list(edus)}
        return await self.sent_body(origin, json.dumps(body).encode(), target)

    async def sent_body(self, origin: ServerName, body: bytes, target: str = SEND) -> Response:
        """Receive any body as a transaction; the answer."""
        route, parameters = self.dispatcher.router.find("PUT", target)
        request = make_request(
            "PUT", target, parameters=parameters, headers={"Authorization": origin}, raw_body=body
        )
        answer = await self.dispatcher.answer(route, request)
        return Response(answer.status, json.loads(answer.body), {})

    async def receives(
        self, origin: ServerName, pdus: Iterable[Event | JsonObject]
    ) -> dict[str, JsonObject]:
        """Receive a transaction, and judge what it brings; the results of its events."""
        response = await self.sent(origin, pdus)
        assert response.status == 200, response.json
        await self.judged()
        results: dict[str, JsonObject] = response.json["pdus"]
        return results

    async def judged(self) -> None:
        """Wait until nothing is left to judge but what rests."""
        await self.inbox.idle()
        await self.core.log.drained()

    def staged(self) -> list[str]:
        """The events that are staged in the database."""
        rows = self.core.rows("SELECT event_id FROM staged_pdus ORDER BY arrival")
        return [event_id for (event_id,) in rows]


def knows(remote: RemoteServers, server: ServerName, room: Room) -> RemoteServer:
    """Let another server know a room."""
    remote.servers[server] = RemoteServer(room)
    return remote.servers[server]
