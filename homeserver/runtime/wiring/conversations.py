"""Rooms as people use them, put together."""

from __future__ import annotations

import secrets

import attrs

from homeserver.api.messages.sending import SendingApi
from homeserver.api.rooms.aliases import AliasesApi
from homeserver.api.rooms.membership import MembershipApi
from homeserver.api.rooms.public_rooms import PublicRoomsApi
from homeserver.api.rooms.reports import ReportsApi
from homeserver.api.rooms.room_creation import RoomCreationApi
from homeserver.api.rooms.room_summaries import RoomSummariesApi
from homeserver.api.rooms.spaces import SpacesApi
from homeserver.api.rooms.state import StateApi
from homeserver.api.rooms.upgrades import UpgradesApi
from homeserver.api.rooms.user_rooms import UserRoomsApi
from homeserver.domain.identifiers import RoomId
from homeserver.http.routes import Api
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.ports.federation.remote_rooms import RemoteRooms
from homeserver.runtime.wiring.calls import CallsArea, build_calls
from homeserver.runtime.wiring.federation_resources import RemoteQueries
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.personal import PersonalArea
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.messages.history import History
from homeserver.services.messages.messages import Messages
from homeserver.services.messages.redactions import Redactions
from homeserver.services.messages.relation_rules import RelationRules
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.canonical_aliases import CanonicalAliases
from homeserver.services.rooms.entrances import Entrances
from homeserver.services.rooms.forgetting import Forgetting
from homeserver.services.rooms.guest_departures import GuestDepartures
from homeserver.services.rooms.invitations import Invitations
from homeserver.services.rooms.membership import Memberships
from homeserver.services.rooms.published_rooms import PublishedRooms
from homeserver.services.rooms.reports import Reports
from homeserver.services.rooms.restricted_joins import RestrictedJoins
from homeserver.services.rooms.room_creation import RoomCreation, RoomDefaults
from homeserver.services.rooms.room_hierarchy import RoomHierarchy
from homeserver.services.rooms.room_state import RoomState
from homeserver.services.rooms.room_summaries import RoomSummaries
from homeserver.services.rooms.room_upgrades import RoomUpgrades
from homeserver.services.rooms.state_reading import StateReading
from homeserver.services.rooms.user_rooms import UserRooms
from storage.accounts.guests import SqlGuestStore
from storage.rooms.aliases import SqlAliasStore
from storage.rooms.memberships import SqlMembershipStore
from storage.rooms.published_rooms import SqlPublishedRoomStore
from storage.rooms.reports import SqlReportStore
from storage.rooms.room_summaries import SqlRoomSummaryStore


@attrs.frozen
class ConversationsArea:
    """Rooms as people use them, and the calls in them."""

    apis: list[Api]
    calls: CallsArea
    aliases: Aliases
    published_rooms: PublishedRooms


def build_conversations(
    on: Foundation,
    rooms: RoomsCore,
    personal: PersonalArea,
    history: History,
    accounts: AccountStore,
    remote: RemoteRooms,
    queries: RemoteQueries | None,
) -> ConversationsArea:
    """Everything that changes or lists rooms.

    ``remote`` changes those that this server is not in, ``queries`` asks other servers about them.
    """
    directory, clock, name = rooms.directory, on.clock, on.server_name
    membership_store = SqlMembershipStore(on.log)
    published_store = SqlPublishedRoomStore(on.log)
    summary_store = SqlRoomSummaryStore(on.log)
    settings = personal.room_settings
    aliases = Aliases(
        SqlAliasStore(on.log), directory, clock, name, queries.aliases if queries else None
    )
    memberships = Memberships(
        directory,
        personal.profiles,
        RestrictedJoins(directory, name),
        Invitations(personal.invite_permissions, remote, name),
        settings,
    )
    published = PublishedRooms(
        published_store, directory, name, queries.directories if queries else None
    )
    spaces = queries.spaces if queries else None
    entrances = Entrances(directory, memberships, remote, personal.profiles)
    defaults = RoomDefaults(
        name,
        on.config.rooms.default_version,
        lambda: RoomId(f"!{secrets.token_urlsafe(18)}:{name}"),
    )
    redactions = Redactions(directory)
    messages = Messages(directory, RelationRules(rooms.relations, rooms.events), redactions)
    state = RoomState(
        directory,
        memberships,
        CanonicalAliases(aliases),
        GuestDepartures(SqlGuestStore(on.log), name),
    )
    reports = Reports(SqlReportStore(on.log), directory, clock, lambda: secrets.token_urlsafe(12))
    calls = build_calls(on, rooms, accounts, messages, state)
    apis: list[Api] = [
        RoomCreationApi(RoomCreation(directory, aliases, memberships, personal.profiles, defaults)),
        MembershipApi(
            entrances, memberships, aliases, Forgetting(directory, membership_store, on.log)
        ),
        SendingApi(messages, redactions, calls.scheduler),
        StateApi(state, StateReading(directory, history, rooms.presenter, clock), calls.scheduler),
        UpgradesApi(RoomUpgrades(directory, aliases, published_store, settings, defaults)),
        AliasesApi(aliases),
        PublicRoomsApi(published),
        RoomSummariesApi(RoomSummaries(summary_store, membership_store, spaces), aliases),
        SpacesApi(RoomHierarchy(summary_store, membership_store, spaces)),
        UserRoomsApi(UserRooms(membership_store, directory)),
        ReportsApi(reports),
        *calls.apis,
    ]
    return ConversationsArea(apis, calls, aliases, published)
