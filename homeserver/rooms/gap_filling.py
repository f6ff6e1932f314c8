"""Putting events into gaps of a timeline: their places, the states before them, what they redact.

The places are those of the stitched order: before the event at (position, sub) come (position,
sub - 1), (position, sub - 2) and so on. What is filled in changes neither the current state nor
its history; each event refers to the state before it by a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import attrs

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId
from homeserver.domain.power_levels import POWER_LEVELS_KEY, PowerLevels
from homeserver.domain.redaction import redacted_event
from homeserver.domain.redaction_rights import may_redact
from homeserver.domain.relations import thread_root_of
from homeserver.ports.rooms.events import (
    RedactionRow,
    RelationRow,
    SnapshotRow,
    Standing,
    StateAt,
    StoredEvent,
)
from homeserver.ports.rooms.gaps import Filling, GapStore
from homeserver.ports.rooms.rooms import Order
from homeserver.ports.rooms.states import Gap
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_rows import redacted_form, redaction_row, relation_row
from homeserver.rooms.incoming import is_placed
from homeserver.rooms.room_states import RoomStates
from homeserver.rooms.view import RoomView

# How many events a gap names that are missing.
MOST_NAMED = 50


@attrs.define
class _Walk:
    """What is known after each event so far, oldest first.

    ``base`` is the state before the first of them, with all its ``places``; ``last`` is the state
    after the newest so far: where nothing better is known, the state before the next one.
    ``referred`` tells what the row of an event says of a state.
    """

    room: RoomView
    base: StateAt
    depth: int
    places: Mapping[StateKey, int]
    last: StateAt
    after: dict[EventId, StateAt] = attrs.Factory(dict)
    referred: list[tuple[StateAt, int]] = attrs.Factory(list)
    snapshots: list[SnapshotRow] = attrs.Factory(list)
    placed: list[StoredEvent] = attrs.Factory(list)
    outside: list[StoredEvent] = attrs.Factory(list)
    redactions: list[RedactionRow] = attrs.Factory(list)


class GapFilling:
    """Fills gaps with events that are here as outliers.

    While a gap of a room is filled no event of other servers may be taken in there.
    """

    def __init__(self, directory: RoomDirectory, states: RoomStates, store: GapStore) -> None:
        self._directory = directory
        self._events = directory.events
        self._states = states
        self._store = store

    async def fill(
        self, room_nid: int, gap: Gap, events: Sequence[Event], before: StateAt | None
    ) -> int:
        """Place events before a gap; how many were.

        ``events`` come in an order in which each follows those that it names, and are known;
        those that are in the timeline, or were refused, stay what they are. ``before`` is the state
        before the first of them, None when what that follows is here.
        """
        room = (await self._directory.by_nid(room_nid)).view
        known = await self._known(room, events)
        outliers = [
            stored
            for event in events
            if (stored := known.get(event.event_id)) is not None
            and stored.standing is Standing.OUTLIER
        ]
        walk = await self._begin(room, outliers, before)
        for event in events:
            stored = known.get(event.event_id)
            if stored is not None and stored.standing is Standing.OUTLIER:
                await self._walk_over(walk, stored, known)
            elif stored is not None and stored.standing is Standing.REJECTED:
                await self._walk_past(walk, stored, known)
        placed = await self._placed(gap, walk)
        left = self._left(gap, events, known, placed)
        if not outliers and left == gap:
            return 0
        related = [(each, row) for each in placed if (row := relation_row(each.event)) is not None]
        # Who reads from now on asks the database, before and after the commit.
        self._forget_newest_before(room_nid, gap)
        await self._store.fill(
            Filling(
                gap=gap,
                room_nid=room_nid,
                placed=placed,
                outside=walk.outside,
                snapshots=walk.snapshots,
                related=related,
                redactions=walk.redactions,
                left=left,
            )
        )
        await self._show(room_nid, gap, [*placed, *walk.outside], walk.redactions, related)
        return len(placed)

    async def _known(self, room: RoomView, events: Iterable[Event]) -> dict[EventId, StoredEvent]:
        """The events and all that they follow or redact, as far as they are here."""
        wanted: set[EventId] = set()
        for event in events:
            wanted.update((event.event_id, *event.prev_event_ids))
            if event.redacts is not None:
                wanted.add(event.redacts)
        found = await self._events.fetch_ids(list(wanted))
        return {i: stored for i, stored in found.items() if stored.room_nid == room.nid}

    async def _begin(
        self, room: RoomView, outliers: Sequence[StoredEvent], before: StateAt | None
    ) -> _Walk:
        """The state that the others are described by is stored, if it is none of the history."""
        base = before if before is not None else StateAt(0)
        if base.delta and outliers:
            nid = outliers[0].nid
            await self._states.store.store_outside([], [SnapshotRow(nid, room.nid, base, 0)])
            base = StateAt(-nid)
        places = await self._states.store.places(room.nid, base) if outliers else {}
        return _Walk(room, base, 1 if base.base < 0 else 0, places, base)

    # --- one event after the other

    async def _walk_over(
        self, walk: _Walk, stored: StoredEvent, known: Mapping[EventId, StoredEvent]
    ) -> None:
        event = stored.event
        before = await self._before(walk, event, known)
        keys = auth_event_keys(
            event.version, event.type, event.state_key, event.sender, event.content
        )
        own = [event.state_map_key()] if event.state_key is not None else []
        held = await self._held(walk, before, [*keys, *own, POWER_LEVELS_KEY])
        state = {key: each.event for key, each in held.items()}
        allowed = _allows(event, state, walk.room)
        after = before
        if allowed and event.state_key is not None:
            after = StateAt(before.base, {**before.delta, event.state_map_key(): stored.nid})
        walk.after[event.event_id] = walk.last = after
        changed = attrs.evolve(
            stored,
            standing=Standing.ACCEPTED if allowed else Standing.REJECTED,
            state_position=self._refer(walk, stored.nid, before),
            thread_root=thread_root_of(event.content) if event.state_key is None else None,
            client=None,
        )
        if not allowed:
            walk.outside.append(changed)
            return
        replaced = held.get(event.state_map_key()) if event.state_key is not None else None
        changed.replaces_nid = replaced.nid if replaced is not None else None
        walk.placed.append(changed)
        if event.redacts is not None:
            await self._redact(walk, event, state, known)

    async def _walk_past(
        self, walk: _Walk, stored: StoredEvent, known: Mapping[EventId, StoredEvent]
    ) -> None:
        """A rejected event changes nothing for those that follow it."""
        before = await self._before(walk, stored.event, known)
        walk.after[stored.event.event_id] = walk.last = before
        position = self._refer(walk, stored.nid, before)
        walk.outside.append(attrs.evolve(stored, state_position=position, client=None))

    async def _before(
        self, walk: _Walk, event: Event, known: Mapping[EventId, StoredEvent]
    ) -> StateAt:
        states = []
        for prev in event.prev_event_ids:
            stored = known.get(prev)
            if prev in walk.after:
                states.append(walk.after[prev])
            elif stored is not None and is_placed(stored):
                states.append(stored.state_after)
        if not states:
            return walk.last
        return await self._states.resolve(walk.room, states)

    async def _held(
        self, walk: _Walk, state: StateAt, keys: Sequence[StateKey]
    ) -> dict[StateKey, StoredEvent]:
        """The events that hold some places of a state, which is mostly known in whole."""
        if state.base != walk.base.base:
            return await self._states.events(walk.room, state, keys)
        nids = {key: state.delta.get(key, walk.places.get(key)) for key in keys}
        found = await self._events.fetch({nid for nid in nids.values() if nid is not None})
        return {key: found[nid] for key, nid in nids.items() if nid in found}

    @staticmethod
    def _refer(walk: _Walk, nid: int, state: StateAt) -> int:
        """What the row of an event says of the state before it."""
        if not state.delta:
            return state.base
        for known, position in walk.referred:
            if known == state:
                return position
        walk.snapshots.append(SnapshotRow(nid, walk.room.nid, state, walk.depth))
        walk.referred.append((state, -nid))
        return -nid

    # --- redactions

    async def _redact(
        self,
        walk: _Walk,
        redaction: Event,
        state: Mapping[StateKey, Event],
        known: Mapping[EventId, StoredEvent],
    ) -> None:
        """Redact what a redaction names; where that is not here yet, once it comes."""
        assert redaction.redacts is not None
        target = known.get(redaction.redacts)
        if target is None:
            await self._states.store.note_early_redaction(redaction.redacts, redaction.event_id)
            return
        levels = PowerLevels.in_state(state, walk.room.create.event)
        if not may_redact(redaction, target.event, levels):
            return
        for index, placed in enumerate(walk.placed):
            if placed.nid == target.nid:
                walk.placed[index] = as_redacted(placed, redaction.event_id)
        row = redaction_row(redaction, target)
        if row is not None:
            walk.redactions.append(row)

    async def _redacted_before(self, walk: _Walk) -> None:
        """Redact those events whose redactions came before them."""
        ids = [each.event.event_id for each in walk.placed]
        early = await self._states.store.early_redactions(ids)
        found = await self._events.fetch_ids([i for ids in early.values() for i in ids])
        for index, placed in enumerate(walk.placed):
            for redaction_id in early.get(placed.event.event_id, ()):
                redaction = found.get(redaction_id)
                if redaction is None or redaction.standing is not Standing.ACCEPTED:
                    continue
                row = redaction_row(redaction.event, placed)
                if row is not None and may_redact(
                    redaction.event, placed.event, walk.room.power_levels
                ):
                    walk.placed[index] = as_redacted(placed, redaction_id)
                    walk.redactions.append(row)

    # --- places

    async def _placed(self, gap: Gap, walk: _Walk) -> list[StoredEvent]:
        await self._redacted_before(walk)
        order = (gap.position, gap.sub)
        above = await self._events.store.timeline(
            walk.room.nid, after=(order[0], order[1] - 1), until=order, backwards=False, limit=1
        )
        ordinal = above[0].ordinal - above[0].notifies if above else 0
        highlights = above[0].room_highlight_ordinal - above[0].room_highlight if above else 0
        count = len(walk.placed)
        return [
            attrs.evolve(
                stored,
                position=gap.position,
                sub=gap.sub - count + index,
                ordinal=ordinal,
                room_highlight_ordinal=highlights,
                client=None,
            )
            for index, stored in enumerate(walk.placed)
        ]

    @staticmethod
    def _left(
        gap: Gap,
        events: Sequence[Event],
        known: Mapping[EventId, StoredEvent],
        placed: Sequence[StoredEvent],
    ) -> Gap | None:
        """What is missing still, below the lowest of the places."""
        followed = [prev for event in events for prev in event.prev_event_ids]
        brought = {event.event_id for event in events}
        missing = [
            event_id
            for event_id in dict.fromkeys([*gap.event_ids, *followed])
            if event_id not in brought and (event_id not in known or not is_placed(known[event_id]))
        ]
        if not missing:
            return None
        sub = placed[0].sub if placed else gap.sub
        return Gap(gap.position, sub, tuple(missing[:MOST_NAMED]))

    # --- memory

    def _forget_newest_before(self, room_nid: int, gap: Gap) -> None:
        actor = self._directory.loaded(room_nid)
        if actor is not None:
            _forget_before(actor.view, (gap.position, gap.sub))

    async def _show(
        self,
        room_nid: int,
        gap: Gap,
        changed: Sequence[StoredEvent],
        redactions: Sequence[RedactionRow],
        related: Sequence[tuple[StoredEvent, RelationRow]],
    ) -> None:
        """Bring memory up to what was stored."""
        for stored in changed:
            self._events.put(stored)
        gaps = await self._states.store.gaps(room_nid)
        actor = self._directory.loaded(room_nid)
        for redaction in redactions:
            self._events.replace(redaction.target_nid, partial(redacted_form, redaction=redaction))
        if actor is None:
            return
        view = actor.view
        self._forget_newest_before(room_nid, gap)
        view.gap_position = gaps[-1].position if gaps else 0
        view.related.update(row.target_event_id for _, row in related)
        by_nid = {row.target_nid: row for row in redactions}
        for stored in [*view.tail, *view.state.values()]:
            if stored.nid in by_nid and stored.redacted_by is None:
                view.replace(redacted_form(stored, by_nid[stored.nid]))


def as_redacted(stored: StoredEvent, redacted_by: EventId) -> StoredEvent:
    """The redacted form of an event."""
    return attrs.evolve(
        stored, event=redacted_event(stored.event), redacted_by=redacted_by, client=None
    )


def _allows(event: Event, state: Mapping[StateKey, Event], room: RoomView) -> bool:
    create = None if event.type == "m.room.create" else room.create.event
    try:
        check_event_auth(event, state, create)
    except Forbidden:
        return False
    return True


def _forget_before(view: RoomView, order: Order) -> None:
    """Let go of the newest events before a place, as others have come in between."""
    view.fragments.clear()
    while view.tail and view.tail[0].order < order:
        gone = view.tail.popleft()
        view.previous.pop(gone.nid, None)
        view.notifications.pop(gone.nid, None)
    view.tail_after = max(view.tail_after, (order[0], order[1] - 1))
