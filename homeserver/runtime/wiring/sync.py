"""The sync engine and the reading of history, put together."""

from __future__ import annotations

import attrs

from homeserver.api.messages.history import HistoryApi
from homeserver.api.messages.relations import RelationsApi
from homeserver.api.messages.sync import PresenceNotes, SyncApi
from homeserver.domain.filters import CompiledFilter, Filter, compile_filter
from homeserver.domain.identifiers import UserId
from homeserver.http.routes import Api
from homeserver.ports.personal.account_data import AccountDataStore
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.messages.history import History
from homeserver.services.messages.related_events import RelatedEvents
from homeserver.services.personal.filters import Filters
from homeserver.sync.classic import ClassicSync
from homeserver.sync.cores import RoomCores
from homeserver.sync.device_lists import DeviceLists
from homeserver.sync.device_updates import DeviceStores, DeviceUpdates
from homeserver.sync.personal_data import Defaults, PersonalData
from homeserver.sync.room_sections import RoomSections
from homeserver.sync.sessions import Sessions
from homeserver.sync.unread_section import UnreadSection
from storage.encryption.key_counts import SqlKeyCountStore
from storage.encryption.to_device import SqlToDeviceStore


@attrs.frozen
class SyncArea:
    """The sync engine."""

    apis: list[Api]
    sync: ClassicSync
    sessions: Sessions
    history: History


def build_sync(
    on: Foundation,
    rooms: RoomsCore,
    account_data: AccountDataStore,
    filters: Filters,
    presence: PresenceNotes,
    defaults: Defaults,
    device_lists: DeviceLists,
) -> SyncArea:
    """Everything that tells clients what happened."""
    sessions = Sessions(on.log, rooms.directory, account_data, on.clock)
    personal = PersonalData(account_data, sessions, defaults)
    sections = RoomSections(
        rooms.directory,
        RoomCores(rooms.directory, rooms.presenter, rooms.visibility, on.clock),
        UnreadSection(rooms.unread, rooms.push_rules),
        personal,
    )
    updates = DeviceUpdates(
        on.log,
        on.clock,
        DeviceStores(SqlToDeviceStore(on.log), SqlKeyCountStore(on.log)),
        device_lists,
        sessions.in_room,
    )
    sync = ClassicSync(on.log, sessions, sections, personal, updates, on.clock)
    on.metrics.waiting_syncs.set_function(lambda: float(sync.waiting))
    history = History(rooms.directory, rooms.presenter, rooms.visibility, rooms.relations, on.clock)
    related = RelatedEvents(
        rooms.relations, rooms.directory, rooms.presenter, rooms.visibility, on.clock
    )
    everything = compile_filter(Filter())

    async def compiled(user_id: UserId, text: str | None) -> CompiledFilter:
        return everything if text is None else await filters.compiled(user_id, text)

    return SyncArea(
        apis=[
            SyncApi(sync, compiled, presence),
            HistoryApi(history, account_data, on.log.shards),
            RelationsApi(history, related, on.log.shards),
        ],
        sync=sync,
        sessions=sessions,
        history=history,
    )
