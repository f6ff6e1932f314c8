"""What belongs to one user, and what they tell others of themselves, put together."""

from __future__ import annotations

import attrs

from homeserver.api.account_data import AccountDataApi
from homeserver.api.filters import FiltersApi
from homeserver.api.presence import PresenceApi
from homeserver.api.profiles import ProfilesApi
from homeserver.api.push_rules import PushRulesApi
from homeserver.api.receipts import ReceiptsApi
from homeserver.api.typing import TypingApi
from homeserver.http.routes import Api
from homeserver.ports.accounts import AccountStore
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.account_data import AccountData
from homeserver.services.filters import Filters
from homeserver.services.invite_permissions import InvitePermissions
from homeserver.services.personal_settings import PersonalSettings
from homeserver.services.presence import Presence
from homeserver.services.profile_propagation import ProfilePropagation
from homeserver.services.profiles import Profiles
from homeserver.services.push_rules import PushRules
from homeserver.services.read_markers import ReadMarkers
from homeserver.services.receipts import Receipts
from homeserver.services.room_tags import RoomTags
from homeserver.services.typing import Typing
from storage.account_data import SqlAccountDataStore
from storage.filters import SqlFilterStore
from storage.memberships import SqlMembershipStore
from storage.profiles import SqlProfileStore
from storage.push_rules import SqlPushRuleStore
from storage.receipts import SqlReceiptStore


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


def build_personal(on: Foundation, rooms: RoomsCore, accounts: AccountStore) -> PersonalArea:
    """Account data, profiles, receipts, typing, presence, push rules and filters."""
    directory, clock = rooms.directory, on.clock
    account_data_store = SqlAccountDataStore(on.log)
    account_data = AccountData(account_data_store, on.log)
    profile_store = SqlProfileStore(on.log)
    propagation = ProfilePropagation(profile_store, directory, clock)
    presence = Presence(
        on.log, SqlMembershipStore(on.log), clock, enabled=on.config.presence.enabled
    )
    profiles = Profiles(profile_store, accounts, propagation, presence)
    push_rules = PushRules(SqlPushRuleStore(on.log), account_data_store, rooms.push_rules, on.log)
    filters = Filters(SqlFilterStore(on.log))
    receipts = Receipts(directory, SqlReceiptStore(), on.log, clock)
    tags = RoomTags(account_data)
    return PersonalArea(
        apis=[
            AccountDataApi(account_data, tags),
            FiltersApi(filters),
            PresenceApi(presence),
            ProfilesApi(profiles),
            PushRulesApi(push_rules),
            ReceiptsApi(receipts, ReadMarkers(directory, account_data)),
            TypingApi(Typing(directory, on.log, clock)),
        ],
        account_data=account_data_store,
        filters=filters,
        presence=presence,
        profiles=profiles,
        propagation=propagation,
        room_settings=PersonalSettings(tags, push_rules, account_data),
        invite_permissions=InvitePermissions(account_data_store, on.log),
    )
