"""Rooms, their counting and their history, put together."""

from __future__ import annotations

import secrets

import attrs

from homeserver.domain.identifiers import EventId
from homeserver.rooms.actor import Author
from homeserver.rooms.counting import EventCounter
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.presentation import Presenter
from homeserver.rooms.push_rules_index import PushRulesIndex
from homeserver.rooms.unread import UnreadCounter
from homeserver.rooms.visible_events import Visibility
from homeserver.runtime.wiring.foundation import Foundation
from storage.personal.push_rules import SqlPushRuleStore
from storage.rooms.events import SqlEventStore
from storage.rooms.past_states import SqlPastStates
from storage.rooms.relations import SqlRelationStore
from storage.rooms.rooms import SqlRoomStore
from storage.rooms.unread import SqlUnreadStore


@attrs.frozen
class RoomsCore:
    """Rooms in memory and what reads them."""

    directory: RoomDirectory
    events: EventCache
    presenter: Presenter
    visibility: Visibility
    relations: SqlRelationStore
    push_rules: PushRulesIndex
    unread: UnreadCounter


def build_rooms(on: Foundation) -> RoomsCore:
    """The rooms of this server."""
    budget = on.config.cache.memory_bytes
    events = EventCache(SqlEventStore(on.log), budget // 3)
    store = SqlRoomStore(on.log)
    push_rules = PushRulesIndex(SqlPushRuleStore(on.log))
    author = Author(
        server_name=on.server_name,
        signing_key=on.signing_key,
        clock=on.clock,
        counter=EventCounter(on.server_name, push_rules),
        new_event_id=lambda: EventId(f"${secrets.token_urlsafe(18)}:{on.server_name}"),
    )
    directory = RoomDirectory(on.log, store, events, author, budget * 2 // 3)
    on.metrics.cache_bytes.labels("events").set_function(lambda: float(events.bytes))
    on.metrics.cache_bytes.labels("rooms").set_function(lambda: float(directory.bytes))
    relations = SqlRelationStore(on.log)
    return RoomsCore(
        directory=directory,
        events=events,
        presenter=Presenter(events, relations),
        visibility=Visibility(store, events, SqlPastStates(on.log)),
        relations=relations,
        push_rules=push_rules,
        unread=UnreadCounter(SqlUnreadStore(on.log)),
    )
