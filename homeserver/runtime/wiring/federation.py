"""Other servers: the way to them, their keys and ours, and who is let in."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from federation.http.keys import KeysApi
from federation.http.request_authentication import Hearing, RequestAuthentication
from federation.http.server_version import ServerVersionApi
from federation.keys.key_book import KeyBook
from federation.keys.key_fetching import KeyFetching
from federation.keys.key_ring import KeyRing
from federation.keys.key_sources import Notary, NotarySource, OriginSource, RemoteServers
from federation.keys.notary import KeyNotary
from federation.keys.own_keys import OwnKeys, RetiredKey
from federation.keys.signature_checker import SignatureChecker
from federation.transport.destination_health import DestinationHealth
from federation.transport.discovery import Discovery
from federation.transport.federation_client import ClientSettings, FederationClient, Reach
from federation.transport.name_lookups import NameLookups
from federation.transport.outbound_http import OutboundHttp
from federation.transport.request_signing import RequestSigner
from federation.transport.trust import Trust
from federation.transport.well_known import Lifetimes, WellKnown
from homeserver.domain.address_ranges import AddressRanges
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.http.routes import Api
from homeserver.runtime.version import program_version
from homeserver.runtime.wiring.foundation import Foundation
from storage.federation.destinations import SqlDestinationStore
from storage.federation.server_keys import SqlServerKeyStore

SIGNATURE_THREADS = 2


@attrs.frozen
class FederationTransport:
    """The way to other servers."""

    http: OutboundHttp
    peers: FederationPeers
    health: DestinationHealth
    client: FederationClient


def build_federation_transport(on: Foundation) -> FederationTransport:
    """What every request to another server goes through."""
    config, clock = on.config.federation, on.clock
    lookups = NameLookups(on.reactor, clock)
    http = OutboundHttp(
        on.reactor,
        clock,
        lookups,
        AddressRanges(config.denied_ranges, config.allowed_ranges),
        Trust(config.ca_file, config.verify_tls),
        observe=on.metrics.observe_outbound,
    )
    lifetimes = Lifetimes(
        default_seconds=config.well_known_seconds,
        max_seconds=config.well_known_max_seconds,
        max_error_seconds=config.well_known_error_seconds,
    )
    discovery = Discovery(lookups, WellKnown(http, clock, random.random, lifetimes), random.random)
    health = DestinationHealth(SqlDestinationStore(on.log), clock, random.random)
    allowed = config.allow_servers if config.enabled else ()
    peers = FederationPeers(allowed, config.deny_servers)
    client = FederationClient(
        RequestSigner(on.server_name, on.signing_key),
        Reach(peers, discovery, health),
        http,
        clock,
        ClientSettings(
            f"Myelin/{program_version()}",
            config.timeout_seconds,
            config.max_response_bytes,
            config.parallel_requests,
        ),
    )
    return FederationTransport(http, peers, health, client)


@attrs.frozen
class FederationKeys:
    """The keys of servers, and what rests on them."""

    apis: list[Api]
    ring: KeyRing
    signatures: SignatureChecker
    authentication: RequestAuthentication


def build_federation_keys(
    on: Foundation,
    remote: RemoteServers,
    peers: FederationPeers,
    heard_from: Callable[[ServerName], None],
) -> FederationKeys:
    """Keys, signatures, and the authentication of requests.

    ``remote`` asks other servers; ``heard_from`` is told of every server that made a request.
    """
    clock = on.clock
    own = own_keys(on)
    store = SqlServerKeyStore(on.log)
    book = KeyBook(store)
    run_in_thread = on.workers(SIGNATURE_THREADS, "signatures").run
    origins = KeyFetching(OriginSource(remote, clock), book, clock)
    without_notaries = KeyRing(own, book, [origins], clock)
    notaries = [
        KeyFetching(
            NotarySource(notary, without_notaries, remote, run_in_thread, clock), book, clock
        )
        for notary in _notaries(on)
    ]
    ring = KeyRing(own, book, [origins, *notaries], clock)
    hearing = Hearing(peers, on.limiter, heard_from)
    return FederationKeys(
        apis=[
            KeysApi(own, KeyNotary(own, store, origins, run_in_thread, clock), clock),
            ServerVersionApi(program_version()),
        ],
        ring=ring,
        signatures=SignatureChecker(ring, run_in_thread),
        authentication=RequestAuthentication(ring, hearing, run_in_thread),
    )


def own_keys(on: Foundation) -> OwnKeys:
    """What the server signs with, and signed with once."""
    retired = [
        RetiredKey(old.key_id, old.verify_key, old.expired_ms) for old in on.config.signing.old_keys
    ]
    return OwnKeys(on.server_name, on.signing_keys, retired, on.clock)


def _notaries(on: Foundation) -> list[Notary]:
    return [
        Notary(ServerName(trusted.server_name), trusted.verify_keys)
        for trusted in on.config.federation.trusted_key_servers
    ]
