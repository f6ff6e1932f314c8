"""What belongs to one user, and what they tell others of themselves, put together."""

from __future__ import annotations

import attrs

from homeserver.api.messages.receipts import ReceiptsApi
from homeserver.api.messages.typing import TypingApi
from homeserver.api.personal.account_data import AccountDataApi
from homeserver.api.personal.filters import FiltersApi
from homeserver.api.personal.presence import PresenceApi
from homeserver.api.personal.profiles import ProfilesApi
from homeserver.api.personal.push_rules import PushRulesApi
from homeserver.http.routes import Api
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.ports.federation.remote_profiles import RemoteProfiles
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.messages.read_markers import ReadMarkers
from homeserver.services.messages.receipts import Receipts
from homeserver.services.messages.typing import Typing
from homeserver.services.personal.account_data import AccountData
from homeserver.services.personal.filters import Filters
from homeserver.services.personal.invite_permissions import InvitePermissions
from homeserver.services.personal.personal_settings import PersonalSettings
from homeserver.services.personal.presence import Presence
from homeserver.services.personal.profile_propagation import ProfilePropagation
from homeserver.services.personal.profiles import Profiles
from homeserver.services.personal.push_rules import PushRules
from homeserver.services.personal.room_tags import RoomTags
from storage.personal.account_data import SqlAccountDataStore
from storage.personal.filters import SqlFilterStore
from storage.personal.profiles import SqlProfileStore
from storage.personal.push_rules import SqlPushRuleStore
from storage.rooms.memberships import SqlMembershipStore
from storage.rooms.receipts import SqlReceiptStore


@attrs.frozen
class PersonalArea:
    """Personal data, and what other areas need of it."""

    apis: list[Api]
    account_data: SqlAccountDataStore
    filters: Filters
    presence: Presence
    profiles: Profiles
    propagation: ProfilePropagation
    room_settings: PersonalSettings
    invite_permissions: InvitePermissions
    receipts: Receipts
    typing: Typing


def build_personal(
    on: Foundation,
    rooms: RoomsCore,
    accounts: AccountStore,
    remote_profiles: RemoteProfiles | None,
) -> PersonalArea:
    """Account data, profiles, receipts, typing, presence, push rules and filters."""
    directory, clock = rooms.directory, on.clock
    account_data_store = SqlAccountDataStore(on.log)
    account_data = AccountData(account_data_store, on.log)
    profile_store = SqlProfileStore(on.log)
    propagation = ProfilePropagation(profile_store, directory, clock)
    presence = Presence(
        on.log, SqlMembershipStore(on.log), clock, enabled=on.config.presence.enabled
    )
    profiles = Profiles(profile_store, accounts, propagation, presence, remote=remote_profiles)
    push_rules = PushRules(SqlPushRuleStore(on.log), account_data_store, rooms.push_rules, on.log)
    filters = Filters(SqlFilterStore(on.log))
    receipts = Receipts(directory, SqlReceiptStore(), on.log, clock)
    typing = Typing(directory, on.log, clock)
    tags = RoomTags(account_data)
    return PersonalArea(
        apis=[
            AccountDataApi(account_data, tags),
            FiltersApi(filters),
            PresenceApi(presence),
            ProfilesApi(profiles),
            PushRulesApi(push_rules),
            ReceiptsApi(receipts, ReadMarkers(directory, account_data)),
            TypingApi(typing),
        ],
        account_data=account_data_store,
        filters=filters,
        presence=presence,
        profiles=profiles,
        propagation=propagation,
        room_settings=PersonalSettings(tags, push_rules, account_data),
        invite_permissions=InvitePermissions(account_data_store, on.log),
        receipts=receipts,
        typing=typing,
    )
