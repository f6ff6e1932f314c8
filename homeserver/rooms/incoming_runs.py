"""Taking in events of other servers that follow each other, several with one commit.

What another server sent while nobody here wrote mostly comes in order, and is judged by the newest
state. Such events are appended without waiting for one another. Whatever takes more than that is
left to :class:`homeserver.rooms.incoming.Incoming`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import Standing, StoredEvent
from homeserver.rooms.actor import Counter, RemoteEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.incoming_checks import (
    auth_keys,
    is_allowed_by,
    is_allowed_by_auth_events,
    load_members,
    referred_in_memory,
)
from homeserver.rooms.room_states import RoomStates, canonical, current


class IncomingRuns:
    """Appends events that need no more than what is at hand."""

    def __init__(self, directory: RoomDirectory, states: RoomStates, counter: Counter) -> None:
        self._directory = directory
        self._states = states
        self._counter = counter

    async def take_in(self, room_nid: int, events: Sequence[Event]) -> int:
        """Accept the first ones of some events, as many as can be; returns how many.

        They are committed then. Raises what made one of them fail, where others may be committed.
        """
        actor = await self._directory.by_nid(room_nid)
        known = await self._look_up(actor, events)
        early: Collection[EventId] | None = None
        if not _follows_all(events[0], actor):
            early = await self._states.store.early_redactions([each.event_id for each in events])
        for event in events:
            await self._counter.prepare(event.content)
        actor = await self._directory.by_nid(room_nid)
        keys = {key for event in events for key in auth_keys(event)}
        await load_members(actor, self._directory.events, keys)
        # From here on nothing is waited for: what is found to be so stays so.
        run = _Run(actor, known, early)
        commits: list[Deferred[None]] = []
        for event in events:
            remote = run.following(event)
            if remote is None:
                break
            stored, committed = actor.append_remote(remote)
            known[event.event_id] = stored
            commits.append(committed)
        ends = await DeferredList(commits, consumeErrors=True)
        for _, result in cast("list[tuple[bool, Failure | None]]", ends):
            if isinstance(result, Failure):
                result.raiseException()
        return len(commits)

    async def _look_up(
        self, actor: RoomActor, events: Sequence[Event]
    ) -> dict[EventId, StoredEvent]:
        """What is here of the events and of what they refer to."""
        known: dict[EventId, StoredEvent] = {}
        wanted: set[EventId] = set()
        for event in events:
            known |= referred_in_memory(actor, event)
            wanted |= {event.event_id, *event.prev_event_ids, *event.auth_event_ids}
        known.update(await self._directory.events.fetch_ids(list(wanted - known.keys())))
        return known


@attrs.frozen
class _Run:
    """A room, and what is known of events of it. ``early`` are those that were redacted before they
    came, None if that was not asked."""

    actor: RoomActor
    known: Mapping[EventId, StoredEvent]
    early: Collection[EventId] | None

    def following(self, event: Event) -> RemoteEvent | None:
        """How to append an event to the newest state; None when it takes more than that."""
        if event.event_id in self.known or event.redacts is not None:
            return None
        prevs = self._accepted(event.prev_event_ids)
        auth_events = [self.known[i] for i in event.auth_event_ids if i in self.known]
        if not prevs or len(auth_events) < len(event.auth_event_ids):
            return None
        heads = self.actor.heads
        remote = RemoteEvent(
            event,
            heads=frozenset(stored.nid for stored in heads),
            prevs=frozenset(stored.nid for stored in prevs),
        )
        if remote.prevs != remote.heads and not self._is_quiet_fork(event, [*heads, *prevs]):
            return None
        create = self.actor.view.create.event
        if not is_allowed_by_auth_events(event, auth_events, create):
            return None
        return remote if is_allowed_by(event, self.actor.head_state, create) else None

    def _accepted(self, event_ids: Sequence[EventId]) -> list[StoredEvent]:
        """Events of the room's timeline; none at all when one of them is not."""
        found = [self.known[event_id] for event_id in event_ids if event_id in self.known]
        if len(found) < len(event_ids) or any(
            each.standing is not Standing.ACCEPTED or each.room_nid != self.actor.view.nid
            for each in found
        ):
            return []
        return found

    def _is_quiet_fork(self, event: Event, beside: Sequence[StoredEvent]) -> bool:
        """Whether an event changes no state, and neither did any branch of the fork it is on."""
        if event.is_state or self.early is None or event.event_id in self.early:
            return False
        room = self.actor.view
        now = current(room)
        return not self.actor.has_state_ahead and all(
            canonical(room, stored.state_after) == now for stored in beside
        )


def _follows_all(event: Event, actor: RoomActor) -> bool:
    return {stored.event.event_id for stored in actor.heads} == set(event.prev_event_ids)
