"""Receiving events of other servers, put together."""

from __future__ import annotations

import attrs
from prometheus_client import Counter

from federation.inbound.addressed_rooms import AddressedRooms
from federation.inbound.auth_events import AuthEvents
from federation.inbound.closed_doors import ClosedDoors
from federation.inbound.edu_receiver import EduReceiver
from federation.inbound.event_checks import EventChecks
from federation.inbound.history import History, Placing
from federation.inbound.intake import Fetching, Intake
from federation.inbound.judging import Judging
from federation.inbound.missing_events import MissingEvents
from federation.inbound.outcomes import Outcome
from federation.inbound.recommendations import Recommendations
from federation.inbound.remote_history import RemoteHistory, RemoteServers
from federation.inbound.room_inbox import RoomInbox
from federation.inbound.room_servers import RoomServers
from federation.inbound.states_before import StatesBefore
from federation.inbound.transactions import Admission, Transactions
from federation.inbound.transactions_api import TransactionsApi
from federation.keys.signature_checker import SignatureChecker
from homeserver.ports.federation.policy_servers import PolicyServers
from homeserver.ports.rooms.known_events import KnownEvents
from homeserver.rooms.counting import EventCounter
from homeserver.rooms.gap_filling import GapFilling
from homeserver.rooms.incoming import Incoming
from homeserver.rooms.room_states import RoomStates
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from storage.federation.staging import SqlStagingStore
from storage.rooms.gaps import SqlGapStore
from storage.rooms.known_events import SqlKnownEvents
from storage.rooms.room_states import SqlRoomStateStore

RESOLVING_THREADS = 1
READING_THREADS = 1


class CountedOutcomes:
    """See :class:`federation.inbound.outcomes.Outcomes`."""

    def __init__(self, counter: Counter) -> None:
        self._children = {outcome: counter.labels(outcome.value) for outcome in Outcome}

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """Note that events ended so."""
        self._children[outcome].inc(number)


@attrs.frozen
class InboundArea:
    """What takes in the events of other servers, and what fills gaps with them.

    ``history`` is the :class:`homeserver.ports.federation.backfill.Backfiller`.
    """

    checks: EventChecks
    judging: Judging
    intake: Intake
    inbox: RoomInbox
    history: History
    states: RoomStates
    rooms: AddressedRooms
    known: KnownEvents
    outcomes: CountedOutcomes

    async def start(self) -> None:
        """Go on with what was staged when the server stopped."""
        await self.inbox.start()

    def stop(self) -> None:
        """Judge nothing any more."""
        self.inbox.stop()


def build_federation_inbound(
    on: Foundation,
    rooms: RoomsCore,
    remote: RemoteServers,
    signatures: SignatureChecker,
    policy_servers: PolicyServers,
) -> InboundArea:
    """Everything about events of other servers but the operation that receives them."""
    directory, events, clock = rooms.directory, rooms.events, on.clock
    checks = EventChecks(signatures, on.workers(READING_THREADS, "events").run)
    state_store = SqlRoomStateStore(on.log)
    states = RoomStates(state_store, events, on.workers(RESOLVING_THREADS, "states").run)
    counter = EventCounter(on.server_name, rooms.push_rules)
    judging = Judging(Incoming(directory, states, counter))
    known = SqlKnownEvents(on.log)
    servers = RoomServers(on.server_name)
    history = RemoteHistory(remote, checks)
    auth = AuthEvents(history, events, known, judging, clock)
    fetching = Fetching(
        missing=MissingEvents(history, known),
        auth=auth,
        states=StatesBefore(history, auth, known, directory, states),
        recommendations=Recommendations(policy_servers),
    )
    intake = Intake(directory, judging, fetching, servers, clock)
    outcomes = CountedOutcomes(
        Counter(
            "myelin_federation_events_received",
            "Events of other servers, by what became of them",
            ("outcome",),
            registry=on.metrics.registry,
        )
    )
    inbox = RoomInbox(SqlStagingStore(on.log), intake, outcomes, clock)
    filling = GapFilling(directory, states, SqlGapStore(on.log))
    return InboundArea(
        checks=checks,
        judging=judging,
        intake=intake,
        inbox=inbox,
        history=History(
            history,
            fetching,
            Placing(directory, judging, filling, state_store, known),
            servers,
            clock,
        ),
        states=states,
        rooms=AddressedRooms(directory, servers),
        known=known,
        outcomes=outcomes,
    )


def transactions_api(area: InboundArea, edus: EduReceiver, closed: ClosedDoors) -> TransactionsApi:
    """The operation that receives transactions."""
    admission = Admission(area.rooms, area.checks, area.known, closed)
    return TransactionsApi(Transactions(admission, area.inbox, edus, area.outcomes))
