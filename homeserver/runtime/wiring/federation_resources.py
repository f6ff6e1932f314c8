"""What other servers read here, and what this one asks of them for its users, put together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import attrs

from federation.queries.remote_aliases import RemoteAliases
from federation.queries.remote_directories import RemoteDirectories
from federation.queries.remote_media import RemoteMediaFetcher
from federation.queries.remote_profiles import RemoteProfiles
from federation.queries.remote_spaces import RemoteSpaces
from federation.queries.remote_times import RemoteTimes
from federation.resources.auth_chains import AuthChains
from federation.resources.events import EventsApi
from federation.resources.history import HistoryApi
from federation.resources.media import MediaApi
from federation.resources.openid import OpenIdUserInfoApi
from federation.resources.past_events import PastEvents
from federation.resources.public_rooms import PublicRoomsApi
from federation.resources.queries import QueriesApi
from federation.resources.room_gate import RoomGate
from federation.resources.server_visibility import ServerVisibility
from federation.resources.spaces import SpacesApi
from federation.resources.spliced_answers import AnswerSplicer
from federation.resources.states import StatesApi, StatesOfRooms
from federation.resources.transactions import TransactionAnswers
from federation.transport.federation_client import FederationClient
from federation.transport.outbound_http import OutboundHttp
from federation.transport.urls import get_url
from homeserver.api.accounts.openid import OpenIdApi
from homeserver.http.routes import Api
from homeserver.http.spool import open_spool
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.ports.media.media import MediaProvider
from homeserver.rooms.room_states import RoomStates
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.accounts.openid import OpenId
from homeserver.services.media.media import MediaRepository
from homeserver.services.media.remote_media import RemoteMediaCache, RemoteMediaSettings
from homeserver.services.media.thumbnails import Thumbnails
from homeserver.services.personal.profiles import Profiles
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.published_rooms import PublishedRooms
from storage.accounts.openid_tokens import SqlOpenIdTokenStore
from storage.federation.servers_in_rooms import SqlServersInRooms
from storage.federation.stored_pdus import SqlStoredPdus
from storage.media.remote_media import SqlRemoteMediaIndex
from storage.rooms.past_states import SqlPastStates
from storage.rooms.room_summaries import SqlRoomSummaryStore


@attrs.frozen
class RemoteQueries:
    """What services ask of other servers, each the port of one of them."""

    profiles: RemoteProfiles
    aliases: RemoteAliases
    directories: RemoteDirectories
    spaces: RemoteSpaces
    media: RemoteMediaFetcher
    times: RemoteTimes


def build_remote_queries(
    on: Foundation, client: FederationClient, http: OutboundHttp
) -> RemoteQueries:
    """The asking side; ``http`` gets media that servers keep elsewhere."""
    clock, name = on.clock, on.server_name
    return RemoteQueries(
        profiles=RemoteProfiles(client, name, clock),
        aliases=RemoteAliases(client, clock),
        directories=RemoteDirectories(client),
        spaces=RemoteSpaces(client, SqlServersInRooms(on.log), name, clock),
        media=RemoteMediaFetcher(client, partial(get_url, http, schemes=("https",))),
        times=RemoteTimes(client, name),
    )


def build_remote_media(
    on: Foundation, fetcher: RemoteMediaFetcher, provider: MediaProvider, incoming: Path
) -> RemoteMediaCache:
    """Media of other servers. ``incoming`` is where ``provider`` takes files in without a copy."""
    settings = RemoteMediaSettings(
        open_spool=partial(open_spool, incoming), max_bytes=on.config.media.max_upload_bytes
    )
    return RemoteMediaCache(SqlRemoteMediaIndex(on.log), provider, fetcher, on.clock, settings)


@attrs.frozen
class OpenIdArea:
    """OpenID: the operation of clients, and what that of third parties needs."""

    apis: list[Api]
    openid: OpenId


def build_openid(on: Foundation, accounts: AccountStore) -> OpenIdArea:
    """Tokens that prove to third parties who a user is."""
    openid = OpenId(SqlOpenIdTokenStore(on.log), accounts, on.clock)
    return OpenIdArea([OpenIdApi(openid, on.server_name)], openid)


@attrs.frozen
class ServedHere:
    """What this server's own services tell others. ``spool`` is where large answers wait."""

    profiles: Profiles
    aliases: Aliases
    published_rooms: PublishedRooms
    repository: MediaRepository
    thumbnails: Thumbnails
    openid: OpenId
    spool: Path


def build_federation_resources(
    on: Foundation, rooms: RoomsCore, states: RoomStates, served: ServedHere
) -> list[Api]:
    """The operations by which other servers read."""
    directory, events = rooms.directory, rooms.events
    gate = RoomGate(directory)
    visibility = ServerVisibility(SqlPastStates(on.log), events)
    transactions = TransactionAnswers(on.server_name, on.clock)
    splicer = AnswerSplicer(served.spool, on.workers(1, "spliced answers").run)
    pdus = SqlStoredPdus(on.log)
    return [
        EventsApi(directory, visibility, transactions),
        StatesApi(gate, StatesOfRooms(events, states, AuthChains(pdus), pdus), splicer),
        HistoryApi(gate, PastEvents(events), events.store, visibility, transactions),
        QueriesApi(served.profiles, served.aliases),
        PublicRoomsApi(served.published_rooms),
        SpacesApi(SqlRoomSummaryStore(on.log), SqlServersInRooms(on.log), on.server_name),
        OpenIdUserInfoApi(served.openid),
        MediaApi(served.repository, served.thumbnails, splicer),
    ]
