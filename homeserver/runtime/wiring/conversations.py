"""Rooms as people use them, put together."""

from __future__ import annotations

import secrets

from homeserver.api.aliases import AliasesApi
from homeserver.api.membership import MembershipApi
from homeserver.api.public_rooms import PublicRoomsApi
from homeserver.api.reports import ReportsApi
from homeserver.api.room_creation import RoomCreationApi
from homeserver.api.room_summaries import RoomSummariesApi
from homeserver.api.sending import SendingApi
from homeserver.api.spaces import SpacesApi
from homeserver.api.state import StateApi
from homeserver.api.upgrades import UpgradesApi
from homeserver.api.user_rooms import UserRoomsApi
from homeserver.domain.identifiers import RoomId
from homeserver.http.routes import Api
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.personal import PersonalArea
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.aliases import Aliases
from homeserver.services.canonical_aliases import CanonicalAliases
from homeserver.services.forgetting import Forgetting
from homeserver.services.guest_departures import GuestDepartures
from homeserver.services.history import History
from homeserver.services.membership import Memberships
from homeserver.services.messages import Messages
from homeserver.services.published_rooms import PublishedRooms
from homeserver.services.redactions import Redactions
from homeserver.services.relation_rules import RelationRules
from homeserver.services.reports import Reports
from homeserver.services.restricted_joins import RestrictedJoins
from homeserver.services.room_creation import RoomCreation, RoomDefaults
from homeserver.services.room_hierarchy import RoomHierarchy
from homeserver.services.room_state import RoomState
from homeserver.services.room_summaries import RoomSummaries
from homeserver.services.room_upgrades import RoomUpgrades
from homeserver.services.state_reading import StateReading
from homeserver.services.user_rooms import UserRooms
from storage.aliases import SqlAliasStore
from storage.guests import SqlGuestStore
from storage.memberships import SqlMembershipStore
from storage.published_rooms import SqlPublishedRoomStore
from storage.reports import SqlReportStore
from storage.room_summaries import SqlRoomSummaryStore


def build_conversations(
    on: Foundation, rooms: RoomsCore, personal: PersonalArea, history: History
) -> list[Api]:
    """Everything that changes or lists rooms."""
    directory, clock, name = rooms.directory, on.clock, on.server_name
    membership_store = SqlMembershipStore(on.log)
    published_store = SqlPublishedRoomStore(on.log)
    summary_store = SqlRoomSummaryStore(on.log)
    settings = personal.room_settings
    aliases = Aliases(SqlAliasStore(on.log), directory, clock, name)
    memberships = Memberships(
        directory,
        personal.profiles,
        RestrictedJoins(membership_store, name),
        personal.invite_permissions,
        settings,
    )
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
    return [
        RoomCreationApi(RoomCreation(directory, aliases, memberships, personal.profiles, defaults)),
        MembershipApi(memberships, aliases, Forgetting(directory, membership_store, on.log)),
        SendingApi(messages, redactions),
        StateApi(state, StateReading(directory, history, rooms.presenter, clock)),
        UpgradesApi(RoomUpgrades(directory, aliases, published_store, settings, defaults)),
        AliasesApi(aliases),
        PublicRoomsApi(PublishedRooms(published_store, directory, name)),
        RoomSummariesApi(RoomSummaries(summary_store, membership_store), aliases),
        SpacesApi(RoomHierarchy(summary_store, membership_store)),
        UserRoomsApi(UserRooms(membership_store, directory)),
        ReportsApi(reports),
    ]
