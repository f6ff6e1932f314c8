"""Events of other servers between their arrival and their judgement."""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transactions
from homeserver.ports.federation.staging import AnsweredTransaction, StagedPdu
from storage.federation.staging import SqlStagingStore
from tests.homeserver.domain.event_factory import ALICE
from tests.storage.rooms.room_rows import RoomRows

A, B = ServerName("a.example"), ServerName("b.example")


async def staged_events(transactions: Transactions, count: int) -> list[StagedPdu]:
    room = RoomRows(transactions)
    await room.begins()
    events = [(await room.says(ALICE, str(n))) for n in range(count)]
    return [
        StagedPdu(number, A, stored.room_nid, stored.event)
        for number, stored in enumerate(events, start=1)
    ]


async def test_what_is_staged_is_read_in_the_order_of_its_arrival(
    transactions: Transactions,
) -> None:
    store = SqlStagingStore(transactions)
    assert await store.last_arrival() == 0
    assert await store.staged(0, 10) == []
    staged = await staged_events(transactions, 3)
    await store.stage(staged[::-1])
    assert await store.last_arrival() == 3
    assert await store.staged(0, 2) == staged[:2]
    assert await store.staged(2, 2) == staged[2:]


async def test_what_is_removed_is_gone_and_what_is_postponed_changes(
    transactions: Transactions,
) -> None:
    store = SqlStagingStore(transactions)
    staged = await staged_events(transactions, 3)
    await store.stage(staged)
    later = attrs.evolve(staged[1], attempts=2, retry_after_ms=5)
    await store.postpone(later)
    await store.remove([1, 3, 99])
    assert await store.staged(0, 10) == [later]


async def test_the_last_transaction_of_each_server_is_remembered(
    transactions: Transactions,
) -> None:
    store = SqlStagingStore(transactions)
    assert await store.answer(A, "1") is None
    await store.stage([], AnsweredTransaction(A, "1", b"one"))
    await store.stage([], AnsweredTransaction(B, "1", b"other"))
    assert await store.answer(A, "1") == b"one"
    await store.stage([], AnsweredTransaction(A, "2", b"two"))
    assert await store.answer(A, "1") is None
    assert await store.answer(A, "2") == b"two"
    assert await store.answer(B, "1") == b"other"
