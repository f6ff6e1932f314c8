"""Events that are to be sent later."""

from __future__ import annotations

from collections.abc import Iterator

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.calls.delayed_events import (
    Allowance,
    DelayedEvent,
    Finalisation,
    Scheduled,
    Scheduling,
    Selection,
    Status,
    TooMany,
)
from homeserver.ports.database import Row, Transaction, Transactions

_COLUMNS = (
    "delay_id, user_id, room_id, type, state_key, content, delay_ms, since_ts, finalised_ts,"
    " event_id, error, by_action"
)
_STATUS = """CASE WHEN finalised_ts IS NULL THEN 'scheduled' WHEN event_id IS NOT NULL THEN 'sent'
    WHEN error IS NOT NULL THEN 'failed' ELSE 'cancelled' END"""


class SqlDelayedEventStore:
    """See :class:`homeserver.ports.calls.delayed_events.DelayedEventStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def schedule(self, scheduling: Scheduling, allowance: Allowance) -> Scheduled | TooMany:
        return await self._transactions.write(_schedule, scheduling, allowance)

    async def event(self, delay_id: str) -> DelayedEvent | None:
        return await self._transactions.read(_event, delay_id)

    async def restart(self, delay_id: str, since_ts: int) -> None:
        await self._transactions.write(_restart, delay_id, since_ts)

    async def finalise(self, delay_id: str, finalisation: Finalisation) -> None:
        await self._transactions.write(_finalise, delay_id, finalisation)

    async def due(self, now_ms: int, limit: int) -> list[DelayedEvent]:
        return await self._transactions.read(_due, now_ms, limit)

    async def next_due(self) -> int | None:
        return await self._transactions.read(_next_due)

    async def listed(self, user_id: UserId, selection: Selection, limit: int) -> list[DelayedEvent]:
        return await self._transactions.read(_listed, user_id, selection, limit)


def _schedule(tx: Transaction, scheduling: Scheduling, allowance: Allowance) -> Scheduled | TooMany:
    event = scheduling.event
    if scheduling.txn_id is not None:
        before = tx.one(
            "SELECT delay_id FROM delayed_events WHERE user_id = ? AND device_id = ?"
            " AND room_id = ? AND type = ? AND txn_id = ?",
            (event.user_id, scheduling.device_id, event.room_id, event.type, scheduling.txn_id),
        )
        if before is not None:
            return Scheduled(before[0])
    _forget_finalised(tx, event.user_id, allowance)
    counted = tx.one(
        "SELECT COUNT(*), MIN(send_ts) FROM delayed_events"
        " WHERE user_id = ? AND finalised_ts IS NULL",
        (event.user_id,),
    )
    assert counted is not None
    if counted[0] >= allowance.scheduled:
        return TooMany(counted[1])
    tx.execute(
        """INSERT INTO delayed_events (delay_id, user_id, device_id, txn_id, room_id, type,
            state_key, content, delay_ms, since_ts, send_ts, by_action)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            event.delay_id,
            event.user_id,
            scheduling.device_id,
            scheduling.txn_id,
            event.room_id,
            event.type,
            event.state_key,
            event.content,
            event.delay_ms,
            event.since_ts,
            event.send_ts,
            False,
        ),
    )
    return Scheduled(event.delay_id)


def _forget_finalised(tx: Transaction, user_id: UserId, allowance: Allowance) -> None:
    tx.execute("DELETE FROM delayed_events WHERE finalised_ts < ?", (allowance.kept_since_ts,))
    last_kept = tx.one(
        "SELECT finalised_ts FROM delayed_events WHERE user_id = ? AND finalised_ts IS NOT NULL"
        " ORDER BY finalised_ts DESC LIMIT 1 OFFSET ?",
        (user_id, allowance.kept - 1),
    )
    if last_kept is not None:
        tx.execute(
            "DELETE FROM delayed_events WHERE user_id = ? AND finalised_ts < ?",
            (user_id, last_kept[0]),
        )


def _event(tx: Transaction, delay_id: str) -> DelayedEvent | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM delayed_events WHERE delay_id = ?", (delay_id,))
    return None if row is None else _delayed_event(row)


def _restart(tx: Transaction, delay_id: str, since_ts: int) -> None:
    tx.execute(
        "UPDATE delayed_events SET since_ts = ?, send_ts = ? + delay_ms"
        " WHERE delay_id = ? AND finalised_ts IS NULL",
        (since_ts, since_ts, delay_id),
    )


def _finalise(tx: Transaction, delay_id: str, finalisation: Finalisation) -> None:
    tx.execute(
        "UPDATE delayed_events SET finalised_ts = ?, event_id = ?, error = ?, by_action = ?"
        " WHERE delay_id = ? AND finalised_ts IS NULL",
        (
            finalisation.ts,
            finalisation.event_id,
            finalisation.error,
            finalisation.by_action,
            delay_id,
        ),
    )


def _due(tx: Transaction, now_ms: int, limit: int) -> list[DelayedEvent]:
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM delayed_events WHERE finalised_ts IS NULL AND send_ts <= ?"
        " ORDER BY send_ts LIMIT ?",
        (now_ms, limit),
    )
    return list(map(_delayed_event, rows))


def _next_due(tx: Transaction) -> int | None:
    row = tx.one("SELECT MIN(send_ts) FROM delayed_events WHERE finalised_ts IS NULL")
    return None if row is None else row[0]


def _listed(
    tx: Transaction, user_id: UserId, selection: Selection, limit: int
) -> list[DelayedEvent]:
    conditions = list(_conditions(selection))
    where = " AND ".join(["user_id = ?", *(condition for condition, _ in conditions)])
    direction = "DESC" if selection.backwards else "ASC"
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM delayed_events WHERE {where}"
        f" ORDER BY send_ts {direction}, delay_id {direction} LIMIT ?",
        (user_id, *(value for _, values in conditions for value in values), limit),
    )
    return list(map(_delayed_event, rows))


def _conditions(selection: Selection) -> Iterator[tuple[str, tuple[object, ...]]]:
    if len(selection.statuses) < len(Status):
        yield f"{_STATUS} = ANY(?)", ([status.value for status in selection.statuses],)
    if selection.room_id is not None:
        yield "room_id = ?", (selection.room_id,)
    if selection.type is not None:
        yield "type = ?", (selection.type,)
    if selection.delay_ids:
        yield "delay_id = ANY(?)", (list(selection.delay_ids),)
    if selection.from_ts is not None:
        yield "send_ts >= ?", (selection.from_ts,)
    if selection.to_ts is not None:
        yield "send_ts <= ?", (selection.to_ts,)
    if selection.after is not None:
        beyond = "<" if selection.backwards else ">"
        yield f"(send_ts, delay_id) {beyond} (?, ?)", selection.after


def _delayed_event(row: Row) -> DelayedEvent:
    delay_id, user_id, room_id, type, state_key, content, delay_ms, since_ts, *end = row
    finalised_ts, event_id, error, by_action = end
    finalised = None
    if finalised_ts is not None:
        finalised = Finalisation(
            finalised_ts,
            EventId(event_id) if event_id is not None else None,
            bytes(error) if error is not None else None,
            bool(by_action),
        )
    return DelayedEvent(
        delay_id,
        UserId(user_id),
        RoomId(room_id),
        type,
        state_key,
        bytes(content),
        delay_ms,
        since_ts,
        finalised,
    )
