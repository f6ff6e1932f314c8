"""Taking in events that other servers made, once their signatures and hashes have been checked.

Server-server API, "Checks performed on receipt of a PDU", steps 4 to 7, and "Soft failure". What
an event refers to has been fetched before, as far as anybody has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from homeserver.domain.auth_rules import check_auth_events_selection, check_event_auth
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, UserId
from homeserver.domain.redaction import redacted_event
from homeserver.domain.redaction_rights import may_redact
from homeserver.ports.rooms.events import (
    OUTSIDE,
    MembershipRow,
    SnapshotRow,
    Standing,
    StateAt,
    StateChange,
    StoredEvent,
)
from homeserver.rooms.actor import Counter, HeadsMoved, RemoteEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.event_rows import membership_row
from homeserver.rooms.incoming_checks import (
    auth_keys,
    is_allowed_by,
    is_allowed_by_auth_events,
    load_members,
    referred_in_memory,
)
from homeserver.rooms.incoming_runs import IncomingRuns
from homeserver.rooms.room_states import RoomStates, current
from homeserver.rooms.view import CREATE, MEMBER, RoomView

# Snapshots lie upon each other at most so deep; the next one is written out.
DEEPEST = 32


@attrs.frozen(slots=True)
class Missing(Exception):
    """Events that an event refers to are not here, and must be fetched first."""

    event_ids: frozenset[EventId]


@attrs.frozen(slots=True)
class Arrival:
    """An event to take in.

    ``before`` is the state before it where another server told that, as not all of its previous
    events are here; ``known`` holds events that were looked up already. It is soft-failed unless it
    is ``recommended`` by the policy server of the room, if that has one. ``device_id`` and
    ``txn_id`` are for events of this server: see :class:`homeserver.rooms.actor.NewEvent`.
    """

    event: Event
    before: StateAt | None = None
    known: Mapping[EventId, StoredEvent] = {}
    recommended: bool = True
    device_id: str | None = None
    txn_id: str | None = None


@attrs.frozen(slots=True)
class _Referred:
    """What an event refers to."""

    itself: StoredEvent | None
    prevs: list[StoredEvent]
    missing_prevs: tuple[EventId, ...]
    auth_events: list[StoredEvent]
    target: StoredEvent | None


class Incoming:
    """Judges events of other servers, and appends those that are allowed to their rooms.

    Of one room one event may be taken in at a time.
    """

    def __init__(self, directory: RoomDirectory, states: RoomStates, counter: Counter) -> None:
        self._directory = directory
        self._events = directory.events
        self._states = states
        self._counter = counter
        self._runs = IncomingRuns(directory, states, counter)

    async def take_in_run(self, room_nid: int, events: Sequence[Event]) -> int:
        """See :meth:`homeserver.rooms.incoming_runs.IncomingRuns.take_in`."""
        return await self._runs.take_in(room_nid, events)

    async def take_in(self, room_nid: int, arrival: Arrival) -> Standing:
        """What becomes of an event. One that was judged before is not judged again.

        Raises Missing when auth events are not here, or previous events without a ``before``.
        """
        event = arrival.event
        actor = await self._directory.by_nid(room_nid)
        referred = await self._look_up(actor, arrival)
        if referred.itself is not None and is_placed(referred.itself):
            return referred.itself.standing
        create = actor.view.create.event
        if not is_allowed_by_auth_events(event, referred.auth_events, create):
            return await self._reject(actor, arrival, referred)
        await self._counter.prepare(event.content)
        while True:
            actor = await self._directory.by_nid(room_nid)
            try:
                return await self._append(actor, arrival, referred)
            except HeadsMoved:
                continue

    async def outliers(
        self, room_nid: int, events: Iterable[Event], known: Mapping[EventId, StoredEvent]
    ) -> dict[EventId, StoredEvent]:
        """Store events that authorise others, in an order in which each comes after its own auth
        events; those that are not allowed are rejected. ``known`` has what is here already.

        Events whose auth events are nowhere are rejected too.
        """
        actor = await self._directory.by_nid(room_nid)
        shard = actor.view.shard
        found = dict(known)
        stored = []
        for event, nid in self._directory.numbered(shard, events):
            if event.event_id in found:
                continue
            outlier = outside(event, room_nid, nid, judged(event, found))
            found[event.event_id] = outlier
            stored.append(outlier)
        await self._states.store.store_outside(stored)
        return found

    # --- looking up

    async def _look_up(self, actor: RoomActor, arrival: Arrival) -> _Referred:
        event = arrival.event
        known = {**referred_in_memory(actor, event), **arrival.known}
        wanted = {event.event_id, *event.prev_event_ids, *event.auth_event_ids}
        if event.redacts is not None:
            wanted.add(event.redacts)
        known.update(await self._events.fetch_ids(list(wanted - known.keys())))
        lacking = {event_id for event_id in event.auth_event_ids if event_id not in known}
        prevs = [
            found
            for event_id in event.prev_event_ids
            if (found := known.get(event_id)) is not None
            and is_placed(found)
            and found.room_nid == actor.view.nid
        ]
        here = {stored.event.event_id for stored in prevs}
        missing = tuple(event_id for event_id in event.prev_event_ids if event_id not in here)
        if arrival.before is None:
            lacking.update(missing)
        if lacking:
            raise Missing(frozenset(lacking))
        return _Referred(
            itself=known.get(event.event_id),
            prevs=prevs,
            missing_prevs=missing,
            auth_events=[known[event_id] for event_id in event.auth_event_ids],
            target=self._target(actor, event, known),
        )

    @staticmethod
    def _target(
        actor: RoomActor, event: Event, known: Mapping[EventId, StoredEvent]
    ) -> StoredEvent | None:
        """The event that a redaction redacts, if it is here and the redaction counts."""
        target = known.get(event.redacts) if event.redacts is not None else None
        if target is None or target.room_nid != actor.view.nid:
            return None
        return target if may_redact(event, target.event, actor.head_power_levels()) else None

    # --- judging

    async def _is_allowed_by(self, actor: RoomActor, event: Event, state: StateAt) -> bool:
        """Step 5: whether a state of the room authorises an event."""
        events = await self._states.events(actor.view, state, auth_keys(event))
        places = {key: stored.event for key, stored in events.items()}
        return is_allowed_by(event, places, actor.view.create.event)

    async def _reject(self, actor: RoomActor, arrival: Arrival, referred: _Referred) -> Standing:
        """Keep the state before a rejected event, which is also the one that others who follow it
        are judged by."""
        await actor.settled()
        states = _states_before(arrival, referred)
        before = await self._states.resolve(actor.view, states) if states else None
        await self._store_outside(actor, arrival.event, referred, Standing.REJECTED, before)
        return Standing.REJECTED

    async def _store_outside(
        self,
        actor: RoomActor,
        event: Event,
        referred: _Referred,
        standing: Standing,
        before: StateAt | None,
    ) -> None:
        room = actor.view
        if referred.itself is not None:
            nid = referred.itself.nid
        else:
            ((_, nid),) = self._directory.numbered(room.shard, [event])
        stored = outside(event, room.nid, nid, standing)
        snapshots = []
        if before is not None and before.delta:
            state, depth = await self._flattened(actor, before)
            snapshots.append(SnapshotRow(nid, room.nid, state, depth))
            stored.state_position = -nid
        elif before is not None:
            stored.state_position = before.base
        await self._states.store.store_outside([stored], snapshots)

    # --- appending

    async def _append(self, actor: RoomActor, arrival: Arrival, referred: _Referred) -> Standing:
        event = arrival.event
        heads = actor.heads
        prevs = frozenset(stored.nid for stored in referred.prevs)
        remote = RemoteEvent(
            event,
            heads=frozenset(stored.nid for stored in heads),
            prevs=prevs,
            nid=referred.itself.nid if referred.itself is not None else None,
            known=referred.itself,
            target=referred.target,
            missing=referred.missing_prevs,
            device_id=arrival.device_id,
            txn_id=arrival.txn_id,
        )
        if arrival.recommended and arrival.before is None and prevs == remote.heads:
            # It follows what everybody stands at: the usual case, for which memory will do.
            await load_members(actor, self._events, auth_keys(event))
            if remote.heads != {stored.nid for stored in actor.heads}:
                raise HeadsMoved
            if not is_allowed_by(event, actor.head_state, actor.view.create.event):
                return await self._reject(actor, arrival, referred)
            _, committed = actor.append_remote(remote)
            await committed
            await self._note_early_redaction(event, referred)
            return Standing.ACCEPTED
        return await self._append_to_fork(actor, arrival, referred, remote)

    async def _append_to_fork(
        self, actor: RoomActor, arrival: Arrival, referred: _Referred, remote: RemoteEvent
    ) -> Standing:
        event, room = arrival.event, actor.view
        others = [stored for stored in actor.heads if stored.nid not in remote.prevs]
        await actor.settled()
        now = current(room)
        before = await self._states.resolve(room, _states_before(arrival, referred))
        if not await self._is_allowed_by(actor, event, before):
            return await self._reject(actor, arrival, referred)
        if not (arrival.recommended and await self._is_allowed_by(actor, event, now)):
            await self._store_outside(actor, event, referred, Standing.SOFT_FAILED, before)
            return Standing.SOFT_FAILED
        itself = referred.itself or self._provisional(room, event)
        after = before
        if event.state_key is not None:
            after = StateAt(before.base, {**before.delta, event.state_map_key(): itself.nid})
        changes = await self._changes(room, now, others, after, itself)
        flat, depth = await self._flattened(actor, before)
        shown, redacted_by = await self._as_redacted(actor, event)
        own = event.state_map_key() if event.state_key is not None else None
        _, committed = actor.append_remote(
            attrs.evolve(
                remote,
                event=shown,
                before=flat,
                depth=depth,
                nid=itself.nid,
                redacted_by=redacted_by,
                takes_effect=own is None or any(change.key == own for change in changes),
                resolved=tuple(change for change in changes if change.key != own),
            )
        )
        await committed
        await self._note_early_redaction(event, referred)
        return Standing.ACCEPTED

    async def _note_early_redaction(self, event: Event, referred: _Referred) -> None:
        if event.redacts is not None and referred.target is None:
            await self._states.store.note_early_redaction(event.redacts, event.event_id)

    def _provisional(self, room: RoomView, event: Event) -> StoredEvent:
        ((_, nid),) = self._directory.numbered(room.shard, [event])
        return outside(event, room.nid, nid, Standing.OUTLIER)

    async def _as_redacted(self, actor: RoomActor, event: Event) -> tuple[Event, EventId | None]:
        """An event as it is now, if redactions of it came before it, and by which it was."""
        early = await self._states.store.early_redactions([event.event_id])
        redactions = await self._events.fetch_ids(early.get(event.event_id, []))
        for stored in redactions.values():
            accepted = stored.standing is Standing.ACCEPTED
            if accepted and may_redact(stored.event, event, actor.head_power_levels()):
                return redacted_event(event), stored.event.event_id
        return event, None

    async def _changes(
        self,
        room: RoomView,
        now: StateAt,
        others: list[StoredEvent],
        after: StateAt,
        itself: StoredEvent,
    ) -> list[StateChange]:
        """How the current state changes when an event joins the ``others`` as a forward extremity,
        with the state ``after`` it."""
        states = [*(stored.state_after for stored in others), after]
        result = await self._states.resolve(room, states, itself)
        difference = await self._states.difference(room, now, result)
        wanted = {nid for nid in difference.values() if nid is not None and nid != itself.nid}
        found = {**await self._events.fetch(wanted), itself.nid: itself}
        changes = []
        for key, nid in difference.items():
            stored = found[nid] if nid is not None else None
            row = membership_at(key, stored) if key[0] == MEMBER else None
            changes.append(StateChange(key, stored, row))
        return changes

    async def _flattened(self, actor: RoomActor, state: StateAt) -> tuple[StateAt, int]:
        """A state whose snapshots do not lie too deep, and how deep they do."""
        if state.base >= 0:
            return state, 0
        depth = await self._states.store.depth(-state.base) + 1
        if depth <= DEEPEST:
            return state, depth
        now = current(actor.view)
        delta = await self._states.difference(actor.view, now, state)
        return StateAt(now.base, delta), 0


def judged(event: Event, known: Mapping[EventId, StoredEvent]) -> Standing:
    """Whether an outlier is authorised by the events that it names, which are among ``known``."""
    auth_events = [known[i] for i in event.auth_event_ids if i in known]
    rejected = {e.event.event_id for e in auth_events if e.standing is Standing.REJECTED}
    state = {e.event.state_map_key(): e.event for e in auth_events if e.event.is_state}
    if len(auth_events) < len(event.auth_event_ids):
        return Standing.REJECTED
    create = state.get(CREATE)
    if create is None and event.type != "m.room.create":
        create = next((e.event for e in known.values() if e.event.type == "m.room.create"), None)
    try:
        check_auth_events_selection(event, [e.event for e in auth_events], rejected)
        check_event_auth(event, state, create)
    except Forbidden:
        return Standing.REJECTED
    return Standing.OUTLIER


def outside(event: Event, room_nid: int, nid: int, standing: Standing) -> StoredEvent:
    """An event without a place in the timeline."""
    return StoredEvent(
        event=event,
        nid=nid,
        room_nid=room_nid,
        position=OUTSIDE,
        sub=0,
        state_position=0,
        replaces_nid=None,
        ordinal=0,
        room_highlight_ordinal=0,
        notifies=False,
        room_highlight=False,
        thread_root=None,
        device_id=None,
        txn_id=None,
        redacted_by=None,
        standing=standing,
    )


def is_placed(stored: StoredEvent) -> bool:
    """Whether it is known where in the room's history an event belongs: what was rejected as an
    outlier has no state before it yet."""
    if stored.standing is Standing.REJECTED:
        return stored.state_position != 0
    return stored.standing is not Standing.OUTLIER


def _states_before(arrival: Arrival, referred: _Referred) -> list[StateAt]:
    """The states that resolve to the one before an event."""
    states = [stored.state_after for stored in referred.prevs]
    if arrival.before is not None:
        states.append(arrival.before)
    return states


def membership_at(key: StateKey, stored: StoredEvent | None) -> MembershipRow:
    """What a place of a member says now: where it is not set, that they are not in the room."""
    row = membership_row(stored.event) if stored is not None else None
    user_id = UserId(key[1])
    return row if row is not None else MembershipRow(user_id, "leave", user_id, None, None)
