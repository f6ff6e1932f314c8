"""What of a room is asked for, by whom, and what is answered."""

from __future__ import annotations

import attrs

from homeserver.domain.filters import CompiledFilter
from homeserver.domain.identifiers import DeviceId, EventId, UserId
from homeserver.ports.rooms.events import FOREVER
from homeserver.rooms.presentation import Reader
from homeserver.sync.known_members import KnownMembers
from homeserver.sync.session import Session

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 500


@attrs.frozen(slots=True)
class SyncOptions:
    """How a reader wants rooms presented."""

    filter: CompiledFilter
    use_state_after: bool

    @property
    def limit(self) -> int:
        """How many timeline events a room has at most."""
        return min(self.filter.room.timeline.limit or DEFAULT_LIMIT, LARGEST_LIMIT)

    @property
    def lazy(self) -> bool:
        """Whether members are left out until something of them is shown."""
        return self.filter.room.state.lazy_load_members

    @property
    def asks_relations(self) -> bool:
        """Whether a timeline has only events to which others relate."""
        return self.filter.room.timeline.asks_relations

    @property
    def unread_threads(self) -> bool:
        """Whether unread counts are told for each thread."""
        return self.filter.room.timeline.unread_thread_notifications

    @property
    def is_shaped(self) -> bool:
        """Whether events are sent in another form than usual."""
        return self.filter.federation_format or self.filter.event_fields is not None


@attrs.frozen(slots=True)
class Window:
    """Who reads a room, after which position (None: from scratch) and up to which.

    ``known_until``: the reader knows everything up to there, but wants all state again.
    ``has_left``: the window ends where the reader left the room. ``departure`` is the number of the
    member event by which they are out now, if that came later: it is shown all the same.
    ``related`` are the events to which others relate as the filter asks, where it does and once
    that was looked up.
    """

    session: Session
    device_id: DeviceId | None
    device: KnownMembers
    since: int | None
    until: int
    options: SyncOptions
    known_until: int | None = None
    has_left: bool = False
    departure: int | None = None
    related: frozenset[EventId] | None = None

    @property
    def reader(self) -> Reader:
        """The reader of the window."""
        until = self.until if self.has_left else FOREVER
        return Reader(self.session.user_id, self.device_id, self.session.ignored, until)

    def knows(self, nid: int) -> set[UserId] | frozenset[UserId]:
        """The members of a room that need not be sent again."""
        if self.since is None or self.options.filter.room.state.include_redundant_members:
            return frozenset()
        return self.device.of(nid)


@attrs.frozen(slots=True)
class Core:
    """The part of a room that does not depend on what the reader has read."""

    body: bytes
    """JSON members: timeline, state or state_after, ephemeral."""
    is_empty: bool
    summary_changed: bool
    """Whether the members of the room, or its name, may have changed."""
    members: tuple[UserId, ...] = ()
    """Members that were sent because lazily loaded."""
