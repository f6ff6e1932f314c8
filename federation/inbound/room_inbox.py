"""The inbox of rooms: what other servers sent, kept safe until it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import structlog
from twisted.internet.defer import CancelledError, Deferred

from federation.inbound.intake import Intake
from federation.inbound.outcomes import Outcome, Outcomes, outcome_of
from federation.inbound.quests import Unobtainable
from federation.inbound.room_queues import RoomQueues
from federation.inbound.staging_load import StagingLoad
from homeserver.domain.errors import DatabaseUnavailable, NotFound
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.ports.clock import Clock, DelayedCall
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.federation.staging import AnsweredTransaction, StagedPdu, StagingStore
from homeserver.ports.rooms.events import Standing

MOST_ATTEMPTS: Final = 6
FIRST_PAUSE_MS: Final = 30_000
"""How long an event rests whose past could not be had; four times as long after each failure."""
DATABASE_PAUSE_MS: Final = 2_000
READ_AT_ONCE: Final = 200

log = structlog.get_logger(__name__)


@attrs.frozen
class Arrived:
    """A checked event of a room that this server knows."""

    room_nid: int
    event: Event


class RoomInbox:
    """Stages events, and has them judged."""

    def __init__(
        self, store: StagingStore, intake: Intake, outcomes: Outcomes, clock: Clock
    ) -> None:
        self.load = StagingLoad()
        self._store = store
        self._intake = intake
        self._outcomes = outcomes
        self._clock = clock
        self._queues = RoomQueues(self._handle)
        self._last_arrival = 0
        self._resting: dict[int, tuple[StagedPdu, DelayedCall]] = {}
        self._judged: list[int] = []
        self._is_removing = False
        self._is_stopped = False

    # --- the life of the server

    async def start(self) -> None:
        """Go on with what was staged when the server stopped."""
        self._last_arrival = max(self._last_arrival, await self._store.last_arrival())
        until, after = self._last_arrival, 0
        while chunk := await self._store.staged(after, READ_AT_ONCE):
            after = chunk[-1].arrival
            mine = [each for each in chunk if each.arrival <= until]
            self.load.add(mine)
            now_ms = self._clock.now_ms()
            for each in mine:
                if each.retry_after_ms > now_ms:
                    self._rest(each, each.retry_after_ms - now_ms)
                else:
                    self._queues.add([each])

    def stop(self) -> None:
        """Judge nothing any more. What is staged stays for the next start."""
        self._is_stopped = True
        self._queues.stop()
        for _, call in self._resting.values():
            call.cancel()
        self._resting.clear()

    async def idle(self) -> None:
        """Resolve when nothing waits but what rests."""
        await self._queues.idle()

    # --- arrivals

    def holds(self, arrived: Arrived) -> bool:
        """Whether an event is staged already."""
        return self._queues.holds(arrived.room_nid, arrived.event.event_id)

    async def stage(
        self,
        origin: ServerName,
        arrived: Sequence[Arrived],
        transaction: AnsweredTransaction | None = None,
    ) -> None:
        """Keep events, and the answer to the transaction that brought them; resolves when they are
        safe. They are judged after that."""
        staged = []
        for each in arrived:
            self._last_arrival += 1
            staged.append(StagedPdu(self._last_arrival, origin, each.room_nid, each.event))
        self.load.add(staged)
        try:
            await self._store.stage(staged, transaction)
        except BaseException:
            for lost in staged:
                self.load.remove(lost)
            raise
        self._queues.add(staged)

    async def answer(self, origin: ServerName, txn_id: str) -> bytes | None:
        """What the last transaction of a server was answered, if this is that one."""
        return await self._store.answer(origin, txn_id)

    def recovered(self, origin: ServerName) -> None:
        """A server answers again: what rests because of it need not rest any more."""
        rested = [
            arrival for arrival, (staged, _) in self._resting.items() if staged.origin == origin
        ]
        for arrival in rested:
            staged, call = self._resting.pop(arrival)
            call.cancel()
            self._queues.add([staged])

    # --- judging

    async def _handle(self, run: Sequence[StagedPdu], at_hand: Mapping[EventId, Event]) -> None:
        left = list(run)
        while left:
            together = await self._handle_together(left)
            # After what took more than the others, some may go together again.
            single = 1 if together else len(left)
            for staged in left[together : together + single]:
                await self._handle_one(staged, at_hand)
            left = left[together + single :]

    async def _handle_together(self, run: Sequence[StagedPdu]) -> int:
        """Take in the first ones of some events, as far as that is simple; returns how many."""
        if len(run) == 1:
            return 0
        room_nid = run[0].room_nid
        try:
            if not await self._intake.has_users_in(room_nid):
                return 0
            taken = await self._intake.take_in_run(room_nid, [staged.event for staged in run])
        except CancelledError:
            raise
        except Exception as error:
            # One by one, each of them meets what is in its own way only.
            log.info("run_failed", origin=run[0].origin, events=len(run), error=str(error))
            return 0
        for staged in run[:taken]:
            self._end(staged, Outcome.ACCEPTED)
        return taken

    async def _handle_one(self, staged: StagedPdu, at_hand: Mapping[EventId, Event]) -> None:
        about = {"event_id": staged.event.event_id, "origin": staged.origin}
        try:
            if not await self._intake.has_users_in(staged.room_nid):
                self._end(staged, Outcome.UNKNOWN_ROOM)
                return
            standing = await self._intake.take_in(
                staged.room_nid, staged.event, staged.origin, at_hand
            )
        except (DatabaseDown, DatabaseFull, DatabaseUnavailable):
            self._rest(staged, DATABASE_PAUSE_MS)
        except NotFound:
            self._end(staged, Outcome.UNKNOWN_ROOM)
        except Unobtainable as error:
            await self._postpone(staged, str(error))
        except CancelledError:
            raise
        except Exception:
            # One event that fails must stop neither its room nor its server.
            log.exception("event_failed", **about)
            self._outcomes.count(Outcome.FAILED)
            await self._postpone(staged, "an error")
        else:
            if standing is not Standing.ACCEPTED:
                log.info("event_not_accepted", standing=standing.name, **about)
            self._end(staged, outcome_of(standing))

    async def _postpone(self, staged: StagedPdu, reason: str) -> None:
        attempts = staged.attempts + 1
        about = {"event_id": staged.event.event_id, "origin": staged.origin, "reason": reason}
        if attempts >= MOST_ATTEMPTS:
            log.warning("event_given_up", **about)
            self._end(staged, Outcome.GIVEN_UP)
            return
        log.info("event_postponed", attempts=attempts, **about)
        self._outcomes.count(Outcome.POSTPONED)
        pause_ms = FIRST_PAUSE_MS * 4 ** (attempts - 1)
        later = attrs.evolve(
            staged, attempts=attempts, retry_after_ms=self._clock.now_ms() + pause_ms
        )
        self._rest(later, pause_ms)
        try:
            await self._store.postpone(later)
        except (DatabaseDown, DatabaseFull) as error:
            log.warning("postponement_not_stored", error=str(error), **about)

    def _rest(self, staged: StagedPdu, pause_ms: int) -> None:
        if not self._is_stopped:
            call = self._clock.call_later(pause_ms / 1000, self._wake, staged.arrival)
            self._resting[staged.arrival] = (staged, call)

    def _wake(self, arrival: int) -> None:
        staged, _ = self._resting.pop(arrival)
        self._queues.add([staged])

    def _end(self, staged: StagedPdu, outcome: Outcome) -> None:
        self._outcomes.count(outcome)
        self.load.remove(staged)
        self._judged.append(staged.arrival)
        if not self._is_removing:
            self._is_removing = True
            Deferred.fromCoroutine(self._remove_judged())

    async def _remove_judged(self) -> None:
        """Forget what was judged, all of it at once. What is not forgotten would be judged again,
        which changes nothing."""
        try:
            while self._judged:
                judged, self._judged = self._judged, []
                try:
                    await self._store.remove(judged)
                except (DatabaseDown, DatabaseFull) as error:
                    log.warning("staged_events_not_removed", error=str(error))
        finally:
            self._is_removing = False
