"""Sending to other servers, put together."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from prometheus_client import Counter, Gauge

from federation.outbound.catch_up import CatchUp
from federation.outbound.courier import Courier, Outcome
from federation.outbound.cursors import CursorKeeper
from federation.outbound.destination import State
from federation.outbound.destinations import Destinations
from federation.outbound.ephemeral_routing import EphemeralRouting
from federation.outbound.key_announcer import KeyAnnouncer, SharedServers
from federation.outbound.mail import OutboundMail
from federation.outbound.recovery import Recovery
from federation.outbound.relays import Relays
from federation.outbound.routing import Routing, Ways
from federation.outbound.sender import Sender
from federation.outbound.transactions import TransactionMaker
from homeserver.runtime.wiring.federation import FederationTransport
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from storage.encryption.device_lists import SqlDeviceListStore
from storage.federation.device_list_stream import SqlDeviceListStreamStore
from storage.federation.outbound import SqlOutboundStore
from storage.federation.outbound_messages import SqlOutboundMessageStore


@attrs.frozen
class FederationOutbound:
    """Everything that is sent to other servers of itself."""

    mail: OutboundMail
    relays: Relays
    destinations: Destinations
    sender: Sender
    cursors: CursorKeeper
    _recovery: Recovery
    _ephemeral: EphemeralRouting
    _store: SqlOutboundStore

    async def start(self) -> None:
        """Go on where the server stopped. To be called before anything is written."""
        await self.relays.load()
        self._ephemeral.has_peers = await self._store.has_peers()
        await self._recovery.resume()
        await self.mail.resume()

    async def stop(self) -> None:
        """Begin no more transactions, and save how far destinations are."""
        await self.sender.stop()
        await self.cursors.flush()


def build_federation_outbound(
    on: Foundation, rooms: RoomsCore, remote: FederationTransport
) -> FederationOutbound:
    """The sending of events, and of what is not an event. The directory of rooms must follow the
    log already."""
    store = SqlOutboundStore(on.log, on.server_name)
    stream = SqlDeviceListStreamStore(on.log)
    messages = SqlOutboundMessageStore(on.log)
    destinations = Destinations(on.server_name, remote.peers, on.log.published)
    cursors = CursorKeeper(store, destinations, on.clock)
    shared = SharedServers(rooms.directory, store, SqlDeviceListStore(on.log))
    keys = KeyAnnouncer(stream, shared, destinations)
    relays = Relays(store, on.clock, on.server_name)
    ephemeral = EphemeralRouting(on.server_name, rooms.directory, shared, destinations)
    recovery = Recovery(store, rooms.directory, destinations, cursors, keys)
    ways = Ways(relays, keys, ephemeral, recovery)
    routing = Routing(on.server_name, rooms.directory, destinations, cursors, ways)
    sender = Sender(
        destinations,
        Courier(remote.client, remote.health, on.clock),
        TransactionMaker(on.server_name, rooms.events, messages, stream, on.clock),
        CatchUp(store, stream, cursors),
        on.clock,
        observe=_transactions_by_outcome(on),
        moved=cursors.changed,
    )
    _observe_destinations(on, destinations)
    remote.health.on_recovery(sender.alive)
    on.log.subscribe(routing.apply)
    return FederationOutbound(
        mail=OutboundMail(on.server_name, messages, on.log, destinations, on.clock),
        relays=relays,
        destinations=destinations,
        sender=sender,
        cursors=cursors,
        recovery=recovery,
        ephemeral=ephemeral,
        store=store,
    )


def _transactions_by_outcome(on: Foundation) -> Callable[[Outcome], None]:
    counter = Counter(
        "myelin_federation_transactions",
        "Transactions to other servers, by outcome",
        ("outcome",),
        registry=on.metrics.registry,
    )
    return lambda outcome: counter.labels(outcome.value).inc()


def _observe_destinations(on: Foundation, destinations: Destinations) -> None:
    count = Gauge(
        "myelin_federation_destinations",
        "Servers that something is due to, by how that stands",
        ("state",),
        registry=on.metrics.registry,
    )
    for state in State:
        count.labels(state.value).set_function(
            lambda state=state: float(destinations.count(state))  # type: ignore[misc]
        )
    lag = Gauge(
        "myelin_federation_lag_positions",
        "How far the log is ahead of the slowest server that answers",
        registry=on.metrics.registry,
    )
    lag.set_function(lambda: float(destinations.lag()))
