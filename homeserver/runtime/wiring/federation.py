"""Other servers: their keys and ours, and who is let in."""

from __future__ import annotations

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
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.http.routes import Api
from homeserver.runtime.version import program_version
from homeserver.runtime.wiring.foundation import Foundation
from storage.federation.server_keys import SqlServerKeyStore

SIGNATURE_THREADS = 2


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
