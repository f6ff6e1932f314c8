"""Reporting content to the server's administrators. Client-server API, "Reporting Content"."""

from __future__ import annotations

from collections.abc import Callable

from homeserver.domain.errors import InvalidParam, NotFound
from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.reports import Report, ReportStore
from homeserver.rooms.directory import RoomDirectory

MAX_REASON_CHARACTERS = 5000


class Reports:
    """Takes in reports. ``new_report_id`` gives a random ID."""

    def __init__(
        self,
        store: ReportStore,
        directory: RoomDirectory,
        clock: Clock,
        new_report_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._new_report_id = new_report_id

    async def event(
        self, reporter: UserId, room_id: RoomId, event_id: EventId, reason: str
    ) -> None:
        """Report an event. Raises NotFound unless the reporter is in the room and it is there."""
        view = (await self._directory.by_id(room_id)).view
        if not view.is_joined(reporter):
            raise NotFound("The event was not found or you are not joined to the room")
        found = (await self._directory.events.fetch_ids([event_id])).get(event_id)
        if found is None or found.room_nid != view.nid:
            raise NotFound("The event was not found or you are not joined to the room")
        await self._add(reporter, reason, room_id=room_id, event_id=event_id)

    async def room(self, reporter: UserId, room_id: RoomId, reason: str) -> None:
        """Report a room, whether or not the reporter is in it. Raises NotFound."""
        if not await self._directory.knows(room_id):
            raise NotFound("The room was not found")
        await self._add(reporter, reason, room_id=room_id)

    async def user(self, reporter: UserId, user_id: UserId, reason: str) -> None:
        """Report a user. Nothing tells the reporter whether there is such a user."""
        await self._add(reporter, reason, user_id=user_id)

    async def _add(
        self,
        reporter: UserId,
        reason: str,
        *,
        room_id: RoomId | None = None,
        event_id: EventId | None = None,
        user_id: UserId | None = None,
    ) -> None:
        if len(reason) > MAX_REASON_CHARACTERS or "\0" in reason:
            raise InvalidParam(f"The reason must have at most {MAX_REASON_CHARACTERS} characters")
        await self._store.add(
            Report(
                self._new_report_id(),
                reporter,
                reason,
                self._clock.now_ms(),
                room_id=room_id,
                event_id=event_id,
                user_id=user_id,
            )
        )
