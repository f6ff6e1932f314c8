"""The sync engine and the reading of history, put together."""

from __future__ import annotations

import attrs

from homeserver.api.messages.history import HistoryApi
from homeserver.api.messages.relations import RelationsApi
from homeserver.api.messages.sliding_sync import SlidingSyncApi
from homeserver.api.messages.sync import PresenceNotes, SyncApi
from homeserver.domain.filters import CompiledFilter, Filter, compile_filter
from homeserver.domain.identifiers import UserId
from homeserver.http.routes import Api
from homeserver.ports.federation.backfill import Backfiller
from homeserver.ports.federation.remote_times import RemoteTimes
from homeserver.ports.personal.account_data import AccountDataStore
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.runtime.wiring.sliding_sync import (
    RoomReading,
    build_sliding_sync,
    sliding_extensions,
)
from homeserver.services.messages.history import History
from homeserver.services.messages.nearest_events import NearestEvents
from homeserver.services.messages.related_events import RelatedEvents
from homeserver.services.personal.filters import Filters
from homeserver.sync.classic import ClassicSync
from homeserver.sync.cores import RoomCores
from homeserver.sync.device_lists import DeviceLists
from homeserver.sync.device_updates import DeviceStores, DeviceUpdates
from homeserver.sync.personal_data import Defaults, PersonalData
from homeserver.sync.room_sections import RoomSections
from homeserver.sync.sessions import Sessions
from homeserver.sync.sliding.sliding import SlidingSync
from homeserver.sync.unread_section import UnreadSection
from storage.encryption.key_counts import SqlKeyCountStore
from storage.encryption.to_device import SqlToDeviceStore
from storage.rooms.timelines import SqlTimelineStore


@attrs.frozen
class Elsewhen:
    """What other servers know of the past of rooms."""

    backfiller: Backfiller
    times: RemoteTimes | None


@attrs.frozen
class SyncArea:
    """The sync engine."""

    apis: list[Api]
    sync: ClassicSync
    sliding: SlidingSync
    sessions: Sessions
    history: History

    def stop(self) -> None:
        """End the long-polls."""
        self.sync.stop()
        self.sliding.stop()


def build_sync(
    on: Foundation,
    rooms: RoomsCore,
    account_data: AccountDataStore,
    filters: Filters,
    presence: PresenceNotes,
    defaults: Defaults,
    device_lists: DeviceLists,
    elsewhen: Elsewhen,
) -> SyncArea:
    """Everything that tells clients what happened."""
    sessions = Sessions(on.log, rooms.directory, account_data, on.clock)
    personal = PersonalData(account_data, sessions, defaults)
    unread = UnreadSection(rooms.unread, rooms.push_rules)
    sections = RoomSections(
        rooms.directory,
        RoomCores(
            rooms.directory,
            rooms.presenter,
            rooms.visibility,
            on.clock,
            SqlTimelineStore(on.log),
        ),
        unread,
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
    sliding = build_sliding_sync(
        on.log,
        on.clock,
        sessions,
        RoomReading(rooms.directory, rooms.presenter, rooms.visibility, unread, account_data),
        sliding_extensions(personal, updates, rooms.directory),
    )
    on.metrics.waiting_syncs.set_function(lambda: float(sync.waiting + sliding.waiting))
    history = History(
        rooms.directory,
        rooms.presenter,
        rooms.visibility,
        rooms.relations,
        on.clock,
        elsewhen.backfiller,
    )
    related = RelatedEvents(
        rooms.relations, rooms.directory, rooms.presenter, rooms.visibility, on.clock
    )
    nearest = None
    if elsewhen.times is not None:
        nearest = NearestEvents(history, rooms.events, elsewhen.times, elsewhen.backfiller)
    everything = compile_filter(Filter())

    async def compiled(user_id: UserId, text: str | None) -> CompiledFilter:
        return everything if text is None else await filters.compiled(user_id, text)

    return SyncArea(
        apis=[
            SyncApi(sync, compiled, presence),
            SlidingSyncApi(sliding, presence),
            HistoryApi(history, account_data, on.log.shards, nearest),
            RelationsApi(history, related, on.log.shards),
        ],
        sync=sync,
        sliding=sliding,
        sessions=sessions,
        history=history,
    )
