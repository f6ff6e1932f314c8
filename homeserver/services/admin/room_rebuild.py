"""Mending the state of a room that went wrong.

What the events make of the state becomes the current one with an event of a user of this server,
which follows all forward extremities: so clients learn of it as of any other resolution, servers
that ask for the state at that event are told what is right, and the history of what was told before
stays. The event has no content, and a type that clients know to pass over.
"""

from __future__ import annotations

from typing import Final

import attrs
import structlog

from homeserver.domain.errors import DatabaseUnavailable, Forbidden, Unknown
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId, server_name_of
from homeserver.domain.power_levels import POWER_LEVELS_KEY, PowerLevels
from homeserver.ports.rooms.events import StateChange, StoredEvent
from homeserver.rooms.actor import NewEvent
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.incoming import membership_at
from homeserver.rooms.view import CREATE, MEMBER
from homeserver.services.admin.room_check import CheckReport, RoomCheck

DUMMY_EVENT: Final = "org.matrix.dummy_event"

MOST_ATTEMPTS: Final = 5
"""How often a room is checked again whose state changes meanwhile."""

log = structlog.get_logger(__name__)


class NothingToRebuild(Unknown):
    """The state of the room is what its events make of it."""

    status = 409
    default_message = "The state of the room is right: there is nothing to rebuild"


@attrs.frozen
class RebuildReport:
    """What was wrong, and the event that mended it; None in a dry run."""

    check: CheckReport
    event_id: EventId | None


class RoomRebuild:
    """Makes what a check worked out the current state of a room."""

    def __init__(self, directory: RoomDirectory, check: RoomCheck, server_name: ServerName) -> None:
        self._directory = directory
        self._check = check
        self._server_name = server_name

    async def run(self, room_id: RoomId, *, apply: bool) -> RebuildReport:
        """Check a room, and with ``apply`` mend it.

        Raises NothingToRebuild; Forbidden when no user of this server may write to the room;
        NotFound, DatabaseUnavailable.
        """
        for _ in range(MOST_ATTEMPTS):
            report = await self._check.run(room_id)
            if report.is_right:
                raise NothingToRebuild()
            if not apply:
                return RebuildReport(report, None)
            mended = await self._mend(report)
            if mended is not None:
                event_id = mended.event.event_id
                log.warning(
                    "room_rebuilt",
                    room_id=room_id,
                    places=len(report.differing()),
                    event_id=event_id,
                )
                return RebuildReport(report, event_id)
        raise DatabaseUnavailable(1000, "The state of the room changes too often, try again")

    async def _mend(self, report: CheckReport) -> StoredEvent | None:
        """Append the event; None if the state has changed since it was checked."""
        actor = await self._directory.by_nid(report.room_nid)
        changes = await self._changes(report)
        new = NewEvent(DUMMY_EVENT, await self._sender(report), {})
        while True:
            await actor.prepare([new])
            if not actor.busy:
                break
            await actor.settled()
        if actor.is_broken or actor.view.state_changed != report.state_position:
            return None
        stored, committed = actor.mend(new, changes)
        await committed
        # What was in memory may have been wrong in other ways.
        self._directory.forget(report.room_nid)
        return stored

    async def _changes(self, report: CheckReport) -> list[StateChange]:
        keys = report.differing()
        nids = [report.state[key] for key in keys if key in report.state]
        found = await self._directory.events.fetch(nids)
        changes = []
        for key in keys:
            stored = found.get(report.state[key]) if key in report.state else None
            row = membership_at(key, stored) if key[0] == MEMBER else None
            changes.append(StateChange(key, stored, row))
        return changes

    async def _sender(self, report: CheckReport) -> UserId:
        """The most powerful user of this server in the room. Raises Forbidden without any."""
        members = {
            key: nid
            for key, nid in report.state.items()
            if key[0] == MEMBER and server_name_of(UserId(key[1])) == self._server_name
        }
        found = await self._directory.events.fetch(members.values())
        joined = [
            UserId(key[1])
            for key, nid in members.items()
            if nid in found and found[nid].event.content.get("membership") == "join"
        ]
        if not joined:
            raise Forbidden("No user of this server is in the room, so nobody can mend it")
        levels = await self._levels(report)
        return min(joined, key=lambda user_id: (-levels.user_level(user_id), user_id))

    async def _levels(self, report: CheckReport) -> PowerLevels:
        keys = [key for key in (CREATE, POWER_LEVELS_KEY) if key in report.state]
        found = await self._directory.events.fetch(report.state[key] for key in keys)
        state = {key: found[report.state[key]].event for key in keys}
        return PowerLevels.in_state(state, state[CREATE])
