"""Transactions of other servers: what may be staged of them, and their answers.

Server-server API, "Transactions".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec
import structlog

from federation.inbound.addressed_rooms import AddressedRooms, ClosedRoom
from federation.inbound.closed_doors import ClosedDoors, NothingThere
from federation.inbound.edu_receiver import EduReceiver
from federation.inbound.event_checks import Checked, EventChecks, Refusal, event_id_of
from federation.inbound.outcomes import Outcome, Outcomes
from federation.inbound.room_inbox import Arrived, RoomInbox
from federation.transport.single_flight import SingleFlight
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam, LimitExceeded
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, RoomId, ServerName, parse_room_id
from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.federation.staging import AnsweredTransaction
from homeserver.ports.rooms.known_events import KnownEvents
from homeserver.rooms.view import RoomView

RETRY_MS: Final = 30_000
REMEMBERED: Final = 1_000
"""Of how many servers the last transaction is remembered without asking the database."""

log = structlog.get_logger(__name__)


@attrs.frozen
class Transaction:
    """What a server sends at once. The parts are as they came: anything, None where they cannot be
    read."""

    origin: ServerName
    txn_id: str
    pdus: Sequence[Any]
    edus: Sequence[Any]


@attrs.frozen
class Admission:
    """Decides what of a transaction is staged."""

    rooms: AddressedRooms
    checks: EventChecks
    known: KnownEvents
    closed: ClosedDoors = attrs.field(factory=NothingThere)


class Transactions:
    """Takes transactions in."""

    def __init__(
        self, admission: Admission, inbox: RoomInbox, edus: EduReceiver, outcomes: Outcomes
    ) -> None:
        self._admission = admission
        self._inbox = inbox
        self._edus = edus
        self._outcomes = outcomes
        self._under_way: SingleFlight[tuple[ServerName, str], bytes] = SingleFlight()
        self._answered: OrderedDict[ServerName, tuple[str, bytes]] = OrderedDict()

    async def receive(self, transaction: Transaction) -> bytes:
        """The answer to a transaction, in JSON, when its events are safe.

        The same one gets the same answer again, and is not looked at again. Raises LimitExceeded
        while too much of its server waits to be judged.
        """
        key = (transaction.origin, transaction.txn_id)
        return await self._under_way.run(key, lambda: self._receive(transaction))

    async def _receive(self, transaction: Transaction) -> bytes:
        origin, txn_id = transaction.origin, transaction.txn_id
        answer = await self._earlier_answer(origin, txn_id)
        if answer is not None:
            return answer
        if transaction.pdus and self._inbox.load.is_too_much_of(origin):
            raise LimitExceeded(RETRY_MS, "Too many of your events wait to be judged")
        results, arrived = await self._admitted(transaction)
        answer = msgspec.json.encode({"pdus": results})
        # Before the answer is stored: after a crash in between they come again.
        await self._pass_edus_on(transaction)
        if arrived:
            await self._inbox.stage(origin, arrived, AnsweredTransaction(origin, txn_id, answer))
        self._remember(origin, txn_id, answer)
        return answer

    # --- repeated transactions

    async def _earlier_answer(self, origin: ServerName, txn_id: str) -> bytes | None:
        remembered = self._answered.get(origin)
        if remembered is not None:
            return remembered[1] if remembered[0] == txn_id else None
        return await self._inbox.answer(origin, txn_id)

    def _remember(self, origin: ServerName, txn_id: str, answer: bytes) -> None:
        self._answered[origin] = (txn_id, answer)
        self._answered.move_to_end(origin)
        if len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)

    # --- events

    async def _admitted(
        self, transaction: Transaction
    ) -> tuple[dict[EventId, JsonObject], list[Arrived]]:
        """The result of each event, and those that are to be staged."""
        pdus = [pdu for pdu in transaction.pdus if isinstance(pdu, dict)]
        if len(pdus) < len(transaction.pdus):
            self._outcomes.count(Outcome.MALFORMED, len(transaction.pdus) - len(pdus))
        room_ids = [_room_id_of(pdu) for pdu in pdus]
        rooms = await self._admission.rooms.of(
            transaction.origin, {room_id for room_id in room_ids if room_id is not None}
        )
        results: dict[EventId, JsonObject] = {}
        open_to: list[tuple[JsonObject, RoomView]] = []
        for pdu, room_id in zip(pdus, room_ids, strict=True):
            room = rooms[room_id] if room_id is not None else None
            if isinstance(room, RoomView):
                open_to.append((pdu, room))
            elif room_id is not None and await self._admission.closed.take(
                transaction.origin, room_id, pdu
            ):
                self._outcomes.count(Outcome.ACCEPTED)
            else:
                self._refuse(results, _turned_away(pdu, room), transaction.origin)
        read = await self._admission.checks.read([(pdu, room.version) for pdu, room in open_to])
        known = await self._known(read)
        new: list[tuple[Checked, RoomView]] = []
        for each, (_, room) in zip(read, open_to, strict=True):
            if isinstance(each, Event) and self._is_known(each, room, known):
                results[each.event_id] = {}
                self._outcomes.count(Outcome.KNOWN)
            else:
                new.append((self._within_bounds(each, room), room))
        checked = await self._admission.checks.verified([each for each, _ in new])
        arrived: dict[EventId, Arrived] = {}
        for each, (_, room) in zip(checked, new, strict=True):
            if isinstance(each, Refusal):
                self._refuse(results, each, transaction.origin)
            else:
                results[each.event_id] = {}
                arrived.setdefault(each.event_id, Arrived(room.nid, each))
        return results, list(arrived.values())

    async def _known(self, read: Sequence[Checked]) -> set[EventId]:
        """Those of some events that were judged before."""
        ids = [each.event_id for each in read if isinstance(each, Event)]
        known = await self._admission.known.known(ids)
        return {event_id for event_id, each in known.items() if each.is_placed}

    def _is_known(self, event: Event, room: RoomView, known: set[EventId]) -> bool:
        return event.event_id in known or self._inbox.holds(Arrived(room.nid, event))

    def _within_bounds(self, each: Checked, room: RoomView) -> Checked:
        if isinstance(each, Event) and self._inbox.load.is_too_much_in(room.nid):
            reason = "M_LIMIT_EXCEEDED: too many events of the room wait to be judged"
            return Refusal(each.event_id, Outcome.TOO_MANY, reason)
        return each

    def _refuse(
        self, results: dict[EventId, JsonObject], refusal: Refusal, origin: ServerName
    ) -> None:
        self._outcomes.count(refusal.outcome)
        log.info(
            "event_refused", event_id=refusal.event_id, origin=origin, reason=refusal.outcome.value
        )
        if refusal.event_id is not None:
            results.setdefault(refusal.event_id, {"error": refusal.reason})

    # --- EDUs

    async def _pass_edus_on(self, transaction: Transaction) -> None:
        for edu in transaction.edus:
            match edu:
                case {"edu_type": str(edu_type), "content": dict(content)}:
                    pass
                case _:
                    continue
            try:
                await self._edus.receive(transaction.origin, edu_type, content)
            except (DatabaseDown, DatabaseFull):
                raise  # the transaction will be repeated, and nothing of it must be lost
            except Exception:
                log.exception("edu_failed", origin=transaction.origin, edu_type=edu_type)


def _room_id_of(pdu: JsonObject) -> RoomId | None:
    room_id = pdu.get("room_id")
    if not isinstance(room_id, str):
        return None
    try:
        return parse_room_id(room_id)
    except InvalidParam:
        return None


def _turned_away(pdu: JsonObject, room: ClosedRoom | None) -> Refusal:
    """What to say of an event whose room takes nothing in.

    Its ID depends on the room version, which is unknown for unknown rooms: then the event is called
    as most room versions would call it.
    """
    if room is None:
        outcome, reason, version = Outcome.MALFORMED, "The event has no valid room_id", None
    else:
        outcome, reason, version = room.outcome, room.reason, room.version
    event_id = pdu.get("event_id")
    if version is None and isinstance(event_id, str):
        return Refusal(EventId(event_id), outcome, reason)
    return Refusal(event_id_of(pdu, version or ROOM_VERSIONS["11"]), outcome, reason)
