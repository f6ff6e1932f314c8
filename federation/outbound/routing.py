"""To whom what the log brings is due.

Server-server API, "Transactions" and "EDUs". Events go to the servers that were in the room before
or after them; a server whose user was refused is told of that as well. Invites go their own way
("Inviting to a room").
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakSet

import attrs

from federation.outbound.cursors import CursorKeeper
from federation.outbound.destinations import Destinations
from federation.outbound.due import DueEvent
from federation.outbound.ephemeral_routing import EphemeralRouting
from federation.outbound.key_announcer import KeyAnnouncer
from federation.outbound.recovery import Recovery
from federation.outbound.relays import Relays
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.log.entries import (
    DeviceListEntry,
    Entry,
    EventEntry,
    PresenceEntry,
    ReceiptEntry,
    TypingEntry,
)
from homeserver.ports.federation.outbound import Presence, ServerMove
from homeserver.ports.rooms.events import EventAppend
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView


@attrs.frozen
class Ways:
    """Who decides about events, and who takes care of what is not handed out at once."""

    relays: Relays
    keys: KeyAnnouncer
    ephemeral: EphemeralRouting
    recovery: Recovery


class Routing:
    """Follows the log and hands out what it brings.

    It must be subscribed to the log after the directory of rooms.
    """

    def __init__(
        self,
        own_name: ServerName,
        directory: RoomDirectory,
        destinations: Destinations,
        cursors: CursorKeeper,
        ways: Ways,
    ) -> None:
        self._own_name = own_name
        self._directory = directory
        self._destinations = destinations
        self._cursors = cursors
        self._relays = ways.relays
        self._keys = ways.keys
        self._ephemeral = ways.ephemeral
        self._recovery = ways.recovery
        # Rooms whose servers were saved since they were loaded; changes are saved as they come.
        self._noted: WeakSet[RoomView] = WeakSet()

    def apply(self, entries: Sequence[Entry]) -> None:
        """Hand out a batch that was committed."""
        passed = self._destinations.passed
        for entry in entries:
            if entry.position > passed[entry.shard] + 1:
                # A commit whose outcome was not known is never published, yet may have taken place.
                self._recovery.look_between(entry.shard, passed[entry.shard], entry.position)
            match entry:
                case EventEntry():
                    self._event(entry)
                case ReceiptEntry():
                    self._ephemeral.receipts(entry)
                case TypingEntry():
                    self._ephemeral.typing(entry)
                case PresenceEntry():
                    self._ephemeral.presence(entry)
                case DeviceListEntry():
                    if self._ephemeral.has_peers and self._is_local(entry.user_id):
                        self._keys.changed(entry)
            passed[entry.shard] = max(passed[entry.shard], entry.position)
        if self._ephemeral.has_peers:
            self._cursors.changed()
        else:
            self._cursors.went_on()

    def _is_local(self, user_id: UserId) -> bool:
        return server_name_of(user_id) == self._own_name

    def _event(self, entry: EventEntry) -> None:
        append, stored = entry.append, entry.append.stored
        actor = self._directory.loaded(stored.room_nid)
        if actor is None:
            self._recovery.look_between(entry.shard, entry.position - 1, entry.position + 1)
            return
        view = actor.view
        before, after = view.servers_before_and_after(stored.position)
        around = before | after
        refused = self._refused(append, around)
        if len(around) > 1 or refused:
            self._note_servers(view, stored.position, before, after)
            for server in refused:
                move = ServerMove(server, view.nid, stored.position, None)
                self._cursors.note_move(move)
        self._bring_up_to_date(actor, entry, after - before)
        if len(around) > 1 and self._came_in(view, append):
            user_id = UserId(stored.event.state_key or "")
            self._keys.joined(user_id, view.nid, (entry.shard, entry.position))
        if not self._relays.is_ours_to_send(stored.event):
            return
        servers = (around | refused) - {server_name_of(stored.event.sender)}
        if servers:
            due = DueEvent(entry.shard, entry.position, stored.nid, stored)
            self._destinations.due(servers, due)

    def _bring_up_to_date(
        self, actor: RoomActor, entry: EventEntry, newcomers: frozenset[ServerName]
    ) -> None:
        """A server that came in was told the state that its join follows. What the join does not
        follow, as it came while the join was made, nobody else would send to it."""
        for head in actor.heads if newcomers else ():
            if head.position < entry.position and head.nid != entry.append.stored.nid:
                due = DueEvent(entry.shard, head.position, head.nid, head)
                self._destinations.due(newcomers, due)

    def _came_in(self, view: RoomView, append: EventAppend) -> bool:
        """Whether an event is the join of a user of this server who was not in the room."""
        change = append.membership
        if change is None or change.membership != "join" or not self._is_local(change.user_id):
            return False
        before = view.previous.get(append.stored.nid)
        return before is None or before.event.content.get("membership") != "join"

    def _refused(self, append: EventAppend, around: frozenset[ServerName]) -> frozenset[ServerName]:
        """The servers of users who may not come in any more, and never were in the room."""
        targets = {
            server_name_of(change.user_id)
            for change, _ in append.memberships()
            if change.membership in ("leave", "ban")
        }
        return frozenset(targets - around - {self._own_name})

    def _note_servers(
        self,
        view: RoomView,
        position: int,
        before: frozenset[ServerName],
        after: frozenset[ServerName],
    ) -> None:
        """Save which servers are in a room, as far as that is not saved."""
        self._ephemeral.has_peers = True
        if view not in self._noted:
            self._noted.add(view)
            self._cursors.note_presence(Presence(view.nid, position, tuple(sorted(before))))
        moved = [(server, True) for server in after - before]
        moved += [(server, False) for server in before - after]
        for server, is_in in moved:
            self._cursors.note_move(ServerMove(server, view.nid, position, is_in))
