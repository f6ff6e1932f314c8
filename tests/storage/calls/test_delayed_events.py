"""Events that are to be sent later."""

from __future__ import annotations

import attrs
import pytest

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.ports.calls.delayed_events import (
    FINALISED,
    Allowance,
    DelayedEvent,
    Finalisation,
    Scheduled,
    Scheduling,
    Selection,
    Status,
    TooMany,
)
from homeserver.ports.database import Transactions
from storage.calls.delayed_events import SqlDelayedEventStore

NOW = 1_700_000_000_000
ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")
LEAVE = DelayedEvent(
    "d1", ALICE, RoomId("!r:hs"), "m.call.member", "_@alice:hs_DEV", b"{}", 8000, NOW
)
FREELY = Allowance(scheduled=100, kept=1000, kept_since_ts=0)


@pytest.fixture
def store(transactions: Transactions) -> SqlDelayedEventStore:
    return SqlDelayedEventStore(transactions)


async def scheduled(store: SqlDelayedEventStore, *events: DelayedEvent) -> None:
    for event in events:
        outcome = await store.schedule(Scheduling(event, "DEV", None), FREELY)
        assert outcome == Scheduled(event.delay_id)


def another(delay_id: str, **changes: object) -> DelayedEvent:
    return attrs.evolve(LEAVE, delay_id=delay_id, **changes)  # type: ignore[arg-type]


async def test_a_scheduled_event_is_read_as_it_was_given(store: SqlDelayedEventStore) -> None:
    message = another("d2", state_key=None, content=b'{"body":"\xc3\xa9"}')
    await scheduled(store, LEAVE, message)

    assert await store.event("d1") == LEAVE
    assert await store.event("d2") == message
    assert await store.event("d3") is None


async def test_a_transaction_schedules_once(store: SqlDelayedEventStore) -> None:
    first = await store.schedule(Scheduling(LEAVE, "DEV", "t1"), FREELY)
    again = await store.schedule(Scheduling(another("d2"), "DEV", "t1"), FREELY)
    other_device = await store.schedule(Scheduling(another("d3"), "PHONE", "t1"), FREELY)
    other_type = await store.schedule(Scheduling(another("d4", type="x"), "DEV", "t1"), FREELY)

    assert (first, again) == (Scheduled("d1"), Scheduled("d1"))
    assert (other_device, other_type) == (Scheduled("d3"), Scheduled("d4"))


async def test_no_more_are_scheduled_than_allowed(store: SqlDelayedEventStore) -> None:
    few = attrs.evolve(FREELY, scheduled=2)
    await scheduled(store, another("d1", delay_ms=9000), another("d2"))

    refused = await store.schedule(Scheduling(another("d3"), "DEV", "t"), few)
    assert refused == TooMany(NOW + 8000)
    assert await store.event("d3") is None
    of_another = another("d4", user_id=BOB)
    assert await store.schedule(Scheduling(of_another, "DEV", "t"), few) == Scheduled("d4")
    await store.finalise("d1", Finalisation(NOW))
    assert await store.schedule(Scheduling(another("d3"), "DEV", "t"), few) == Scheduled("d3")


async def test_finalised_events_are_kept_for_a_while_and_in_limited_number(
    store: SqlDelayedEventStore,
) -> None:
    for number in range(5):
        await scheduled(store, another(f"d{number}"))
        await store.finalise(f"d{number}", Finalisation(NOW + number))
    await scheduled(store, another("old", user_id=BOB), another("new", user_id=BOB))
    await store.finalise("old", Finalisation(NOW))
    await store.finalise("new", Finalisation(NOW + 1))

    await store.schedule(Scheduling(another("d5"), "DEV", None), Allowance(9, 9, NOW + 1))
    left = await store.listed(ALICE, Selection(FINALISED), 10)
    assert [event.delay_id for event in left] == ["d1", "d2", "d3", "d4"]
    await store.schedule(Scheduling(another("d6"), "DEV", None), Allowance(9, 2, 0))
    left = await store.listed(ALICE, Selection(), 10)
    assert [event.delay_id for event in left] == ["d3", "d4", "d5", "d6"]
    left = await store.listed(BOB, Selection(), 10)
    assert [event.delay_id for event in left] == ["new"]


async def test_events_are_due_when_their_delay_is_over(store: SqlDelayedEventStore) -> None:
    assert await store.next_due() is None
    later, sooner = another("d2", delay_ms=9000), another("d3", delay_ms=7000)
    await scheduled(store, LEAVE, later, sooner)

    assert await store.next_due() == NOW + 7000
    assert await store.due(NOW + 6999, 10) == []
    assert await store.due(NOW + 8000, 10) == [sooner, LEAVE]
    assert await store.due(NOW + 8000, 1) == [sooner]


async def test_a_restart_begins_the_delay_anew(store: SqlDelayedEventStore) -> None:
    await scheduled(store, LEAVE)
    await store.restart("d1", NOW + 5000)

    assert await store.due(NOW + 12_999, 10) == []
    assert await store.due(NOW + 13_000, 10) == [attrs.evolve(LEAVE, since_ts=NOW + 5000)]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (Finalisation(NOW + 1, event_id=EventId("$e")), Status.SENT),
        (Finalisation(NOW + 1, error=b'{"errcode":"M_FORBIDDEN"}'), Status.FAILED),
        (Finalisation(NOW + 1, by_action=True), Status.CANCELLED),
    ],
)
async def test_what_is_finalised_is_not_due_any_more_and_stays_as_it_ended(
    store: SqlDelayedEventStore, end: Finalisation, status: Status
) -> None:
    await scheduled(store, LEAVE)
    await store.finalise("d1", end)
    await store.finalise("d1", Finalisation(NOW + 2, event_id=EventId("$other")))
    await store.restart("d1", NOW + 2)

    ended = attrs.evolve(LEAVE, finalised=end)
    assert await store.event("d1") == ended
    assert ended.status is status
    assert await store.due(NOW + 100_000, 10) == []
    assert await store.next_due() is None
    assert await store.listed(ALICE, Selection({status}), 10) == [ended]
    assert await store.listed(ALICE, Selection({Status.SCHEDULED}), 10) == []


async def test_events_are_listed_as_selected(store: SqlDelayedEventStore) -> None:
    elsewhere = another("d2", room_id=RoomId("!s:hs"), delay_ms=9000)
    message = another("d3", type="m.room.message", state_key=None, delay_ms=7000)
    at_the_same_time = another("d0")
    await scheduled(store, LEAVE, elsewhere, message, at_the_same_time, another("d9", user_id=BOB))

    async def listed(limit: int = 10, **chosen: object) -> list[str]:
        selection = Selection(**chosen)  # type: ignore[arg-type]
        return [event.delay_id for event in await store.listed(ALICE, selection, limit)]

    assert await listed() == ["d3", "d0", "d1", "d2"]
    assert await listed(backwards=True) == ["d2", "d1", "d0", "d3"]
    assert await listed(2) == ["d3", "d0"]
    assert await listed(after=(NOW + 8000, "d0")) == ["d1", "d2"]
    assert await listed(after=(NOW + 8000, "d1"), backwards=True) == ["d0", "d3"]
    assert await listed(room_id="!s:hs") == ["d2"]
    assert await listed(type="m.room.message") == ["d3"]
    assert await listed(delay_ids=["d1", "d9", "none"]) == ["d1"]
    assert await listed(from_ts=NOW + 8000, to_ts=NOW + 8999) == ["d0", "d1"]
