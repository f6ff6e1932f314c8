"""Two servers: one whose users want to know something, and one that knows it, over TLS on loopback.

The one that is asked is a :class:`tests.federation.resident.Resident`; what it serves can be
replaced by answers of a test's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest_asyncio

from federation.queries.policy_servers import PolicyServers
from federation.queries.remote_aliases import RemoteAliases
from federation.queries.remote_directories import RemoteDirectories
from federation.queries.remote_media import RemoteMediaFetcher
from federation.queries.remote_profiles import RemoteProfiles
from federation.queries.remote_spaces import RemoteSpaces
from federation.transport.destination_health import DestinationHealth
from federation.transport.federation_client import ClientSettings, FederationClient, Reach
from federation.transport.request_signing import RequestSigner
from federation.transport.urls import get_url
from homeserver.api.media.media import MediaApi
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.spool import open_spool
from homeserver.http.transport import MatrixFactory
from homeserver.services.media.media import MediaRepository, MediaSettings
from homeserver.services.media.media_access import MediaAccess
from homeserver.services.media.remote_media import RemoteMediaCache, RemoteMediaSettings
from homeserver.services.media.thumbnails import Thumbnails, ThumbnailSettings
from homeserver.services.personal.presence import Presence
from homeserver.services.personal.profile_propagation import ProfilePropagation
from homeserver.services.personal.profiles import Profiles
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.published_rooms import PublishedRooms
from homeserver.services.rooms.room_hierarchy import RoomHierarchy
from homeserver.services.rooms.room_summaries import RoomSummaries
from storage.accounts.accounts import SqlAccountStore
from storage.federation.servers_in_rooms import SqlServersInRooms
from storage.media.local_media import LocalMedia
from storage.media.media import SqlMediaIndex
from storage.media.remote_media import SqlRemoteMediaIndex
from storage.media.thumbnails import SqlThumbnailIndex
from storage.personal.profiles import SqlProfileStore
from storage.rooms.aliases import SqlAliasStore
from storage.rooms.memberships import SqlMembershipStore
from storage.rooms.published_rooms import SqlPublishedRoomStore
from storage.rooms.room_summaries import SqlRoomSummaryStore
from tests.deferreds import on_event_loop
from tests.federation.certificates import CertificateAuthority
from tests.federation.resident import OTHER, Resident
from tests.federation.transport.conftest import PUBLIC, Internet
from tests.federation.transport.internet import Handler, Received, Reply, RoutedReactor
from tests.federation.transport.test_destination_health import Table
from tests.homeserver.media_server import TokensAreUserIds
from tests.http_requests import TestClient
from tests.http_wire import NobodyCounts, run_here
from tests.rooms_fixture import SERVER, RoomsCore, sqlite_at

MAX_MEDIA_BYTES = 400_000
CDN = "93.184.216.99"


class Asking(RoomsCore):
    """The server that asks: its services, and what they ask through."""

    def __init__(self, path: Path, client: FederationClient, internet: Internet) -> None:
        super().__init__(sqlite_at(path / "asking.db"))
        log, clock = self.log, self.clock
        accounts, profile_store = SqlAccountStore(log), SqlProfileStore(log)
        memberships, summaries = SqlMembershipStore(log), SqlRoomSummaryStore(log)
        spaces = RemoteSpaces(client, SqlServersInRooms(log), OTHER, clock)
        self.policy_servers = PolicyServers(client)
        self.profiles = Profiles(
            profile_store,
            accounts,
            ProfilePropagation(profile_store, self.directory, clock),
            Presence(log, memberships, clock, enabled=True),
            remote=RemoteProfiles(client, OTHER, clock),
        )
        self.aliases = Aliases(
            SqlAliasStore(log), self.directory, clock, OTHER, RemoteAliases(client, clock)
        )
        self.published_rooms = PublishedRooms(
            SqlPublishedRoomStore(log), self.directory, OTHER, RemoteDirectories(client)
        )
        self.hierarchy = RoomHierarchy(summaries, memberships, spaces)
        self.summaries = RoomSummaries(summaries, memberships, spaces)
        self.media_store = LocalMedia(path / "asking media", run_here)
        self.remote_media_index = SqlRemoteMediaIndex(log)
        self.fetcher = RemoteMediaFetcher(
            client, partial(get_url, internet.http, schemes=("https",))
        )
        self.media_client = self.media_api()

    def remote_media(self, **settings: Any) -> RemoteMediaCache:
        return RemoteMediaCache(
            self.remote_media_index,
            self.media_store,
            self.fetcher,
            self.clock,
            RemoteMediaSettings(
                partial(open_spool, self.media_store.incoming),
                max_bytes=MAX_MEDIA_BYTES,
                **settings,
            ),
        )

    def media_api(self, **settings: Any) -> TestClient:
        index = SqlMediaIndex(self.log)
        repository = MediaRepository(
            index,
            self.media_store,
            MediaAccess(index, self.clock),
            self.clock,
            MediaSettings(OTHER),
        )
        thumbnails = Thumbnails(
            SqlThumbnailIndex(self.log),
            self.media_store,
            run_here,
            self.clock,
            ThumbnailSettings(),
        )
        return TestClient(
            [MediaApi(repository, thumbnails, self.remote_media(**settings))],
            TokensAreUserIds(),
            RateLimiter({}, self.clock.monotonic),
            self.clock,
        )


class Town:
    """Both servers, and the network between them."""

    def __init__(self, internet: Internet, there: Resident, path: Path) -> None:
        self.internet = internet
        self.there = there
        self.health = DestinationHealth(Table(), internet.clock, lambda: 0.0)
        self.client = FederationClient(
            RequestSigner(OTHER, there.askers[OTHER].key),
            Reach(FederationPeers(None, ["denied.example"]), internet.discovery(), self.health),
            internet.http,
            internet.clock,
            ClientSettings("Myelin"),
        )
        self.here = Asking(path, self.client, internet)
        self.received: list[Received] = []

    def open(self) -> None:
        """Let the real server answer."""
        factory = MatrixFactory(
            self.there.dispatcher,
            self.internet.reactor,
            max_upload_bytes=1_000_000,
            in_flight=NobodyCounts(),
            run_in_thread=run_here,
        )
        self._listen(factory)

    def answers(self, handler: Handler | Reply, name: ServerName = SERVER) -> None:
        """Let a server answer as a test wants."""
        reply = handler if isinstance(handler, Reply) else None

        def answer(received: Received) -> Reply | None:
            self.received.append(received)
            return reply if reply is not None else handler(received)  # type: ignore[operator]

        self.internet.zone.address(name, PUBLIC)
        self.internet.serve(answer, certificate=self.internet.ca.issue(name))

    def _listen(self, factory: Any) -> None:
        self.internet.zone.address(SERVER, PUBLIC)
        certificate = self.internet.ca.issue(SERVER)
        self.internet._listen(factory, PUBLIC, 8448, certificate)


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Two servers; until a test says so the one that is asked does not answer."""
    reactor = RoutedReactor(asyncio.get_running_loop())
    internet = Internet(reactor, tmp_path, CertificateAuthority())
    there = Resident(sqlite_at(tmp_path / "there.db"), tmp_path)
    # Requests over sockets are dated by the clock on the wall.
    there.clock.advance(time.time() - there.clock.now_ms() / 1000)
    made = Town(internet, there, tmp_path)
    yield made
    await made.here.close()
    await there.close()
    await on_event_loop(internet.close())
