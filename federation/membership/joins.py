"""Joining rooms with the help of servers that are in them.

Server-server API, "Joining Rooms". Until everything that a server told has been checked nothing of
the room is shown to anybody; what fails after that is undone.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import structlog

from federation.inbound.judging import Judging
from federation.membership.event_intake import EventIntake, Relaying
from federation.membership.failures import UnusableAnswer, first_to_help
from federation.membership.handshake import Handshake, Made, Wish
from federation.membership.join_answer import JoinSubmission, TakesNone
from federation.membership.told_room import JoinWatch, ToldRoom, ToldRooms
from homeserver.domain.errors import Forbidden, NotFound
from homeserver.domain.identifiers import EventId, RoomId, ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.incoming import Arrival
from homeserver.rooms.out_of_band import OutOfBandMemberships
from homeserver.rooms.room_imports import RoomImports
from homeserver.rooms.room_states import current
from homeserver.rooms.view import RoomView
from homeserver.services.turns import Turns

log = structlog.get_logger(__name__)


@attrs.frozen
class Asking:
    """The steps in which another server helps with a join."""

    handshake: Handshake
    submission: JoinSubmission
    rooms: ToldRooms


@attrs.frozen
class Sending:
    """Where events go to: into rooms that this server is in, and to other servers."""

    intake: EventIntake
    relaying: Relaying


class Arrivals:
    """Brings rooms here that were joined.

    ``turns`` are those of rooms that come here, in whichever way.
    """

    def __init__(
        self,
        imports: RoomImports,
        judging: Judging,
        out_of_band: OutOfBandMemberships,
        turns: Turns,
        server_name: ServerName,
    ) -> None:
        self._imports = imports
        self._judging = judging
        self._out_of_band = out_of_band
        self._turns = turns
        self._server_name = server_name

    async def bring(self, told: ToldRoom) -> None:
        """Make a room that another server told one of this server, with the join in it.

        Raises UnusableAnswer when the join is not allowed by what is left of the state. Nothing of
        the room is left then, nor when something else fails.
        """
        room_id = told.join.room_id
        async with self._turns.of(room_id):
            try:
                room = await self._bring(told)
            except Exception:
                await self._imports.discard(room_id, self._server_name)
                raise
            await self._out_of_band.end(room)

    async def _bring(self, told: ToldRoom) -> RoomView:
        join = told.join
        try:
            actor = await self._imports.bring_in(
                join.room_id, told.version.identifier, told.events, told.state
            )
        except Forbidden as error:
            raise UnusableAnswer(error.message) from None
        room = actor.view
        standing = await self._judging.take_in(room.nid, Arrival(join, before=current(room)))
        if standing is not Standing.ACCEPTED:
            raise UnusableAnswer("By the rules of the room the join is not allowed")
        return room


class Joins:
    """Joins rooms."""

    def __init__(
        self,
        directory: RoomDirectory,
        asking: Asking,
        arrivals: Arrivals,
        sending: Sending,
        progress: Progress,
    ) -> None:
        self._directory = directory
        self._asking = asking
        self._arrivals = arrivals
        self._sending = sending
        self._progress = progress

    async def join(self, wish: Wish, servers: Sequence[ServerName]) -> EventId:
        """Join a room with the help of the first of some servers that can; the member event.

        Raises what says most of what they answered.
        """
        return await first_to_help(servers, lambda server: self._through(server, wish))

    async def _through(self, server: ServerName, wish: Wish) -> EventId:
        began = self._progress.begin(server, wish.room_id)
        try:
            made = await self._asking.handshake.make(server, wish)
            await self._submit(server, made)
        except Exception:
            self._progress.end(server, wish.room_id, began, "failed")
            raise
        self._progress.end(server, wish.room_id, began, "joined")
        return made.event.event_id

    async def _submit(self, server: ServerName, made: Made) -> None:
        rooms, submission = self._asking.rooms, self._asking.submission
        self._sending.relaying.withhold(made.event.event_id)
        actor = await self._resident(made.event.room_id)
        if actor is None:
            reader = rooms.reader(made)
            answer = await submission.submit(server, made.event, reader)
            await self._arrivals.bring(await rooms.checked(server, made, answer, reader))
            return
        # The server is in the room; only to let the user in it needed another one.
        answer = await submission.submit(server, made.event, TakesNone())
        join = await rooms.signed(server, made.event, answer.event)
        standing = await self._sending.intake.take_in(actor.view.nid, join, server)
        if standing is not Standing.ACCEPTED:
            raise UnusableAnswer("By the rules of the room the join is not allowed")

    async def _resident(self, room_id: RoomId) -> RoomActor | None:
        try:
            actor = await self._directory.by_id(room_id)
        except NotFound:
            return None
        return actor if actor.is_resident else None


class Progress:
    """Tells the log and the metrics of joins."""

    def __init__(self, watch: JoinWatch, clock: Clock) -> None:
        self._watch = watch
        self._clock = clock

    def begin(self, server: ServerName, room_id: RoomId) -> float:
        """A join begins; when, in seconds of the clock."""
        log.info("join_begins", server=server, room_id=room_id)
        return self._clock.monotonic()

    def end(self, server: ServerName, room_id: RoomId, began: float, outcome: str) -> None:
        """It ended."""
        seconds = self._clock.monotonic() - began
        self._watch.ended(outcome, seconds)
        log.info(
            "join_ends", server=server, room_id=room_id, outcome=outcome, seconds=round(seconds, 3)
        )
