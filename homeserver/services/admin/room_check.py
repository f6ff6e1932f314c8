"""Whether what is kept of a room's state is what its events make of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs

from homeserver.domain.errors import Unknown
from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.rooms.events import StateAt, StoredEvent
from homeserver.ports.rooms.room_figures import MembershipRecord, RoomFigureStore
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.event_rows import membership_row
from homeserver.rooms.room_states import RoomStates
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.services.admin.looking_after import looked_after
from homeserver.services.admin.room_replay import Places, RefusedEvent, RoomReplay

CHUNK: Final = 1_000
"""How many member events are read at once."""


class NothingToReplay(Unknown):
    """The state of the room was told by another server, and no event has come since."""

    status = 409
    default_message = "There are no events yet that tell the state of the room"


@attrs.frozen
class PlaceDifference:
    """A place of the current state that does not hold everywhere what the events make of it.

    All are numbers of events. ``stored`` is what the history of the state has, ``resolved`` what
    the states that were stored after the forward extremities resolve to, ``in_memory`` what the
    server goes by (of places of members, what is stored), ``replayed`` what is right.
    """

    key: StateKey
    replayed: int | None
    stored: int | None
    resolved: int | None
    in_memory: int | None


@attrs.frozen
class MembershipDifference:
    """A user whose membership is not that of their place in the state."""

    user_id: UserId
    replayed: MembershipRecord | None
    table: MembershipRecord | None
    in_memory: MembershipRecord | None


@attrs.frozen
class CheckReport:
    """What was found. ``state_position`` is the position of the state that was looked at."""

    room_nid: int
    state_position: int
    events: int
    state: Places
    places: Sequence[PlaceDifference]
    memberships: Sequence[MembershipDifference]
    refused: Sequence[RefusedEvent]

    @property
    def is_right(self) -> bool:
        """Whether the state is what the events make of it."""
        return not self.places and not self.memberships

    def differing(self) -> list[StateKey]:
        """Every place of the state at which something differs."""
        keys = {difference.key for difference in self.places}
        keys.update((MEMBER, difference.user_id) for difference in self.memberships)
        return sorted(keys)


@attrs.frozen
class _Kept:
    """What is kept of a room, all at one time."""

    room: RoomView
    heads: Sequence[StoredEvent]
    state_position: int
    in_memory: Places
    members: Mapping[UserId, MembershipRecord]
    table: Mapping[UserId, MembershipRecord]


class RoomCheck:
    """Compares the state of a room with what its events make of it."""

    def __init__(
        self, directory: RoomDirectory, states: RoomStates, figures: RoomFigureStore
    ) -> None:
        self._directory = directory
        self._events: EventCache = directory.events
        self._states = states
        self._figures = figures
        self._replay = RoomReplay(directory.events, states)

    async def run(self, room_id: RoomId) -> CheckReport:
        """Check a room. Raises NotFound, NothingToReplay, DatabaseUnavailable.

        The room goes on meanwhile; the report is about the state it had at the beginning.
        """
        actor = await looked_after(self._directory, room_id)
        kept = await self._kept(actor)
        if not kept.heads:
            raise NothingToReplay()
        room, store = kept.room, self._states.store
        stored = await store.places(room.nid, StateAt(kept.state_position))
        after_heads = await self._states.resolve(room, [head.state_after for head in kept.heads])
        resolved = await store.places(room.nid, after_heads)
        replayed = await self._replay.run(room, kept.heads)
        places = [
            PlaceDifference(
                key,
                replayed.state.get(key),
                stored.get(key),
                resolved.get(key),
                kept.in_memory.get(key) if key[0] != MEMBER else stored.get(key),
            )
            for key in sorted({*stored, *resolved, *replayed.state, *kept.in_memory})
        ]
        return CheckReport(
            room_nid=room.nid,
            state_position=kept.state_position,
            events=replayed.events,
            state=replayed.state,
            places=[each for each in places if _differs(each)],
            memberships=await self._memberships(kept, replayed.state),
            refused=replayed.refused,
        )

    async def _kept(self, actor: RoomActor) -> _Kept:
        """What is kept of a room. Of memberships there is no history: they are read again if the
        state changed meanwhile."""
        room = actor.view
        while True:
            while actor.busy:
                await actor.settled()
            heads, position = actor.heads, room.state_changed
            in_memory = {key: stored.nid for key, stored in room.state.items()}
            members = {
                user_id: MembershipRecord(member.membership, member.nid)
                for user_id, member in room.members.items()
            }
            table = await self._figures.memberships(room.nid)
            if position == room.state_changed:
                return _Kept(room, heads, position, in_memory, members, table)

    async def _memberships(self, kept: _Kept, state: Places) -> list[MembershipDifference]:
        expected: dict[UserId, MembershipRecord] = {}
        nids = [nid for key, nid in state.items() if key[0] == MEMBER]
        for stored in await self._read(nids):
            row = membership_row(stored.event)
            if row is not None:
                expected[row.user_id] = MembershipRecord(row.membership, stored.nid)
        differences = [
            MembershipDifference(
                user_id, expected.get(user_id), kept.table.get(user_id), kept.members.get(user_id)
            )
            for user_id in sorted({*expected, *kept.table, *kept.members})
        ]
        return [
            each
            for each in differences
            if not (_is_said(each.replayed, each.table) and _is_said(each.replayed, each.in_memory))
        ]

    async def _read(self, nids: Sequence[int]) -> list[StoredEvent]:
        found: list[StoredEvent] = []
        for start in range(0, len(nids), CHUNK):
            found += (await self._events.fetch(nids[start : start + CHUNK])).values()
        return found


def _differs(place: PlaceDifference) -> bool:
    held: Collection[int | None] = {place.stored, place.resolved, place.in_memory}
    return held != {place.replayed}


def _is_said(expected: MembershipRecord | None, record: MembershipRecord | None) -> bool:
    """Whether a record says what is expected: of who is not in the state, that they left."""
    if expected is None:
        return record is None or record.membership == "leave"
    return record == expected
