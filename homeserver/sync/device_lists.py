"""Whose devices changed: ``device_lists`` of an answer, and /keys/changes.

Client-server API, "Tracking the device list for a user". A change of keys or of a membership is one
note in each session that looks at one of the rooms; who sees whom is decided when an answer is
built, for all users it may name at once.
"""

from __future__ import annotations

import enum

from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import SyncToken
from homeserver.ports.encryption.device_lists import DeviceListStore
from homeserver.ports.rooms.events import EventAppend, MembershipRow
from homeserver.rooms.directory import RoomDirectory
from homeserver.sync.device_list_watch import DeviceListWatch, ListChanges
from homeserver.sync.session import Session


class Move(enum.Enum):
    """What a change of membership does to those in the room."""

    IN = enum.auto()
    OUT = enum.auto()


class DeviceLists:
    """Reads what changed for the user of a session."""

    def __init__(self, store: DeviceListStore, directory: RoomDirectory) -> None:
        self._store = store
        self._directory = directory

    def moves_of(self, append: EventAppend) -> list[tuple[UserId, Move]]:
        """Whom an event that was committed brings into the room or out of it."""
        moves = []
        if append.membership is not None and append.takes_effect:
            move = self._move_of(append, append.membership)
            if move is not None:
                moves.append((append.membership.user_id, move))
        for change in append.resolved:
            # Where servers disagreed nobody remembers what was before: better ask once too often.
            if change.membership is not None:
                is_in = change.membership.membership == "join"
                moves.append((change.membership.user_id, Move.IN if is_in else Move.OUT))
        return moves

    def _move_of(self, append: EventAppend, change: MembershipRow) -> Move | None:
        stored = append.stored
        was_in = False
        if stored.replaces_nid is not None:
            actor = self._directory.loaded(stored.room_nid)
            before = actor.view.previous.get(stored.nid) if actor is not None else None
            # If nobody remembers, it counts as a move: it is better to ask once too often.
            was_in = (
                before.event.content.get("membership") == "join"
                if before is not None
                else change.membership != "join"
            )
        is_in = change.membership == "join"
        if was_in == is_in:
            return None
        return Move.IN if is_in else Move.OUT

    async def since(
        self, session: Session, watch: DeviceListWatch | None, since: SyncToken, until: SyncToken
    ) -> tuple[set[UserId], set[UserId]]:
        """The users to ask for anew, and those who share no room with the user any more.

        Without a watch, or when it does not reach back to the token, the database tells.
        """
        if watch is not None and watch.reaches_back_to(since):
            changes = watch.since(since)
        else:
            changes = await self._stored(session, since, until)
        changed, left = changes.changed, changes.left
        if changes.entered or changes.departed:
            rooms = await self._directory.load(changes.entered | changes.departed)
            changed.update(*(rooms[nid].view.joined() for nid in changes.entered))
            left.update(*(rooms[nid].view.joined() for nid in changes.departed))
        left.discard(session.user_id)
        if left:
            left -= await self._store.sharing(session.user_id, left)
        return changed - left, left

    async def _stored(self, session: Session, since: SyncToken, until: SyncToken) -> ListChanges:
        changes = ListChanges()
        mine = []
        for nid in session.rooms_after(since, until):
            room = session.rooms[nid]
            after = since.positions[room.shard]
            if room.membership == "join":
                if room.joined_position > after:
                    changes.entered.add(nid)
                else:
                    mine.append(nid)
            elif room.joined_position and room.position > after:
                changes.departed.add(nid)
        changes.changed.update(await self._store.changed_since(session.user_id, since.positions))
        if mine:
            moves = await self._store.moves_since(mine, since.positions)
            changes.changed.update(moves.joined)
            changes.left.update(moves.left)
        return changes
