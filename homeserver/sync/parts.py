"""The parts of rooms, gathered and written: what is common to those that had to be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.presentation import ALONE, EVERYONE, Presenter, Surroundings, event_json
from homeserver.rooms.view import RoomView
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.ephemeral import ephemeral_events
from homeserver.sync.timelines import joined_json, shaped, timeline_json, wanted_state
from homeserver.sync.windows import Core, Window


@attrs.frozen(slots=True)
class Part:
    """What of a room goes into a core. ``memberships`` are the reader's where they were not joined,
    ``before`` the place before the timeline."""

    room: RoomView
    window: Window
    events: list[StoredEvent]
    memberships: Mapping[int, str]
    state: list[StoredEvent]
    limited: bool
    before: TimelineToken
    summary_changed: bool
    members: tuple[UserId, ...]


class PartWriter:
    """Makes cores of parts."""

    def __init__(
        self, events: EventCache, presenter: Presenter, visibility: Visibility, clock: Clock
    ) -> None:
        self._events = events
        self._presenter = presenter
        self._visibility = visibility
        self._clock = clock

    async def seen(
        self, room: RoomView, window: Window, events: Sequence[StoredEvent]
    ) -> tuple[list[StoredEvent], dict[int, str]]:
        """What the reader may see of some events, and by number their membership where not join."""
        user_id = window.session.user_id
        seen, memberships = await self._visibility.visible(room, user_id, events)
        if window.departure is not None:
            for event in (await self._events.fetch([window.departure])).values():
                seen.append(event)
                memberships[event.nid] = str(event.event.content.get("membership", "leave"))
        return seen, memberships

    async def write(self, parts: Sequence[Part]) -> list[Core]:
        """The cores of parts of rooms that one reader gets, in a fixed number of queries."""
        if not parts:
            return []
        events = [event for part in parts for event in part.events]
        # Of state nothing is told but why it was redacted.
        events += (e for part in parts for e in part.state if e.redacted_by is not None)
        around = await self._presenter.surroundings(
            events, parts[0].window.reader, [part.room for part in parts]
        )
        return [self._core(part, around) for part in parts]

    def _core(self, part: Part, around: Mapping[int, Surroundings]) -> Core:
        room, window, options = part.room, part.window, part.window.options
        now = self._clock.now_ms()
        told = part.state
        if options.use_state_after and window.departure is not None:
            departure = [e for e in part.events if e.nid == window.departure]
            told = list(by_place([*told, *departure]).values())
        state = [
            shaped(e, event_json(e, now, EVERYONE, _why(e, around), membership=None), options)
            for e in wanted_state(room, told, options)
        ]
        ephemeral: list[bytes] = []
        if room.is_joined(window.session.user_id):
            receipts = room.receipts_after(window.since if window.since is not None else -1)
            ephemeral = ephemeral_events(room, window, receipts)
        body = joined_json(
            options,
            timeline=timeline_json(
                part.events, around, part.memberships, window.reader, options, now
            ),
            limited=part.limited,
            prev_batch=part.before,
            state=state,
            ephemeral=ephemeral,
        )
        return Core(
            body,
            is_empty=not (
                part.events or state or ephemeral or part.limited or part.summary_changed
            ),
            summary_changed=part.summary_changed,
            members=part.members,
        )


def by_place(events: Iterable[StoredEvent]) -> dict[StateKey, StoredEvent]:
    """The last of the state events for each place."""
    return {e.event.state_map_key(): e for e in events if e.event.state_key is not None}


def not_overtaken(
    events: list[StoredEvent], passed_over: Mapping[StateKey, StoredEvent]
) -> list[StoredEvent]:
    """The end of a timeline in which no state event is overtaken by one that the timeline passes
    over. That one is told as state before the timeline, and must not be undone by it."""
    for index in range(len(events) - 1, -1, -1):
        stored = events[index]
        if stored.event.state_key is not None:
            later = passed_over.get(stored.event.state_map_key())
            if later is not None and later.order > stored.order:
                return events[index + 1 :]
    return events


def not_refuted(room: RoomView, events: list[StoredEvent]) -> list[StoredEvent]:
    """The end of a timeline in which every state event did become state. One that resolution
    passed over would look as if it had to whoever reads the timeline."""
    later: set[StateKey] = set()
    for index in range(len(events) - 1, -1, -1):
        event = events[index].event
        if event.state_key is None or event.state_map_key() in later:
            continue
        later.add(event.state_map_key())
        if room.holder(event.state_map_key()) != events[index].nid:
            return events[index + 1 :]
    return events


def _why(stored: StoredEvent, around: Mapping[int, Surroundings]) -> Surroundings:
    """Of what is beside a state event, why it was redacted."""
    if stored.redacted_by is None or stored.nid not in around:
        return ALONE
    return Surroundings(redaction=around[stored.nid].redaction)
