"""The cores of rooms, in whichever way they come about."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.ports.rooms.timelines import TimelineStore
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import Presenter
from homeserver.rooms.view import RoomView
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.fragments import RoomFragments
from homeserver.sync.newest_timelines import NewestTimelines
from homeserver.sync.parts import PartWriter
from homeserver.sync.relation_filter import RelationFilter
from homeserver.sync.whole_rooms import WholeRooms
from homeserver.sync.windows import Core, Window


class RoomCores:
    """Builds cores: ``changes`` since a token, ``whole`` rooms, and rooms that were left."""

    def __init__(
        self,
        directory: RoomDirectory,
        presenter: Presenter,
        visibility: Visibility,
        clock: Clock,
        timelines: TimelineStore,
    ) -> None:
        writer = PartWriter(directory.events, presenter, visibility, clock)
        relations = RelationFilter(timelines)
        self._visibility = visibility
        self.changes = RoomFragments(directory, writer, clock, relations)
        newest = NewestTimelines(writer, relations, timelines)
        self.whole = WholeRooms(directory, writer, clock, newest)

    async def left(self, view: RoomView, room: UserRoom, window: Window) -> Core:
        """The core of a room that the reader is out of: what they saw until they left, and how they
        stand."""
        left = await self._left_position(view, room, window.session.user_id)
        if left is None or (window.since is not None and left <= window.since):
            # They never were in the room (a rejected invite, a withdrawn knock, a ban from
            # outside) or have left it before: all there is to see is that.
            return await self.whole.own_membership(view, window, room)
        window = attrs.evolve(
            window,
            until=left,
            has_left=True,
            departure=room.event_nid if left < room.position else None,
        )
        if window.since is None or room.joined_position > window.since:
            return (await self.whole.cores([(view, attrs.evolve(window, since=None))]))[0]
        return await self.changes.since(view, window)

    async def _left_position(self, view: RoomView, room: UserRoom, user_id: UserId) -> int | None:
        """The position at which the user was in the room last; None for never."""
        if not room.joined_position:
            return None
        history = await self._visibility.history(view, user_id)
        left = history.last_departure
        return left if left is not None and left > 0 else room.position
