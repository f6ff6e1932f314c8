"""When a server is tried again."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from federation.transport.destination_health import (
    FORGET_AFTER_MS,
    LEAST_PAUSE_MS,
    LONGEST_PAUSE_MS,
    Attempt,
    DestinationHealth,
)
from federation.transport.errors import DestinationUnavailable
from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import DatabaseDown
from homeserver.ports.federation.destinations import FailingDestination
from tests.clock import START_MS, FakeClock

HS = ServerName("hs.example")
OTHER = ServerName("other.example")


class Table:
    """A store in memory, whose database is sometimes down."""

    def __init__(self) -> None:
        self.rows: dict[ServerName, FailingDestination] = {}
        self.is_down = False
        self.saves = 0

    async def failing(self) -> list[FailingDestination]:
        return list(self.rows.values())

    async def save(
        self, failing: Collection[FailingDestination], recovered: Collection[ServerName]
    ) -> None:
        if self.is_down:
            raise DatabaseDown("gone")
        self.saves += 1
        self.rows |= {each.destination: each for each in failing}
        for destination in recovered:
            self.rows.pop(destination, None)


class World:
    """The health of servers, and what listeners were told."""

    def __init__(self) -> None:
        self.table = Table()
        self.clock = FakeClock()
        self.health = self.restarted()

    def restarted(self) -> DestinationHealth:
        self.told: list[ServerName] = []
        health = DestinationHealth(self.table, self.clock, lambda: 0.0)
        health.on_recovery(self.told.append)
        return health

    def fail(self, times: int = 1) -> None:
        """Let a server fail, each time as soon as it may be tried."""
        for _ in range(times):
            self.wait()
            self.health.note_failure(self.health.admit(HS), "refused")

    def wait(self) -> None:
        retry_at_ms = self.health.retry_at_ms(HS)
        if retry_at_ms is not None:
            self.clock.advance(max(0, retry_at_ms - self.clock.now_ms()) / 1000)

    @property
    def pause_ms(self) -> int:
        retry_at_ms = self.health.retry_at_ms(HS)
        assert retry_at_ms is not None
        return retry_at_ms - self.clock.now_ms()

    def is_open(self) -> bool:
        try:
            self.health.note_nothing(self.health.admit(HS))
        except DestinationUnavailable:
            return False
        return True


@pytest.fixture
def world() -> World:
    return World()


def test_a_server_that_works_is_always_asked(world: World) -> None:
    for _ in range(3):
        world.health.note_success(world.health.admit(HS))
    assert world.health.retry_at_ms(HS) is None
    assert world.told == []


def test_a_server_that_fails_is_left_alone_twice_as_long_each_time(world: World) -> None:
    pauses = []
    for _ in range(20):
        world.fail()
        pauses.append(world.pause_ms)
    assert pauses[:5] == [1_000, 2_000, 4_000, 8_000, 16_000]
    assert pauses[-1] == LONGEST_PAUSE_MS


def test_a_pause_is_shortened_at_random(world: World) -> None:
    health = DestinationHealth(world.table, world.clock, lambda: 0.5)
    health.note_failure(health.admit(HS), "refused")
    assert health.retry_at_ms(HS) == START_MS + 900


def test_requests_are_refused_with_the_time_to_come_back(world: World) -> None:
    world.fail()
    with pytest.raises(DestinationUnavailable) as caught:
        world.health.admit(HS)
    assert caught.value.retry_at_ms == START_MS + 1_000
    world.health.admit(OTHER)


def test_one_request_probes_for_all(world: World) -> None:
    world.fail()
    world.wait()
    probe = world.health.admit(HS)
    with pytest.raises(DestinationUnavailable):
        world.health.admit(HS)
    world.health.note_success(probe)
    world.health.admit(HS)
    world.health.admit(HS)
    assert world.told == [HS]


def test_a_probe_that_was_given_up_lets_the_next_one_through(world: World) -> None:
    world.fail()
    world.wait()
    world.health.note_nothing(world.health.admit(HS))
    assert world.is_open()


def test_requests_that_fail_together_count_once(world: World) -> None:
    attempts = [world.health.admit(HS) for _ in range(10)]
    for attempt in attempts:
        world.health.note_failure(attempt, "refused")
    assert world.pause_ms == 1_000


def test_an_old_request_that_ends_late_does_not_stop_the_probe(world: World) -> None:
    old = [world.health.admit(HS) for _ in range(3)]
    world.health.note_failure(old[0], "refused")
    world.wait()
    world.health.admit(HS)
    world.health.note_failure(old[1], "refused")
    world.health.note_nothing(old[2])
    assert not world.is_open()


def test_a_sign_of_life_shortens_a_long_pause(world: World) -> None:
    world.fail(12)
    world.clock.advance(LEAST_PAUSE_MS / 1000)
    assert not world.is_open()
    world.health.note_inbound(HS)
    assert world.told == [HS]
    assert world.is_open()


def test_signs_of_life_do_not_make_a_server_be_asked_all_the_time(world: World) -> None:
    world.fail(12)
    for _ in range(5):
        world.health.note_inbound(HS)
    assert world.pause_ms == LEAST_PAUSE_MS
    assert world.told == [HS]


def test_a_sign_of_life_of_a_server_that_works_changes_nothing(world: World) -> None:
    world.health.note_inbound(HS)
    world.fail()
    world.health.note_inbound(HS)
    assert world.pause_ms == 1_000
    assert world.told == []


async def test_what_was_known_outlasts_a_restart(world: World) -> None:
    world.fail(6)
    await world.health.flush()
    world.health = world.restarted()
    await world.health.load()
    assert not world.is_open()
    world.fail()
    assert world.pause_ms == 64_000


async def test_changes_are_written_together_and_later(world: World) -> None:
    for number in range(10):
        attempt = world.health.admit(ServerName(f"hs{number}.example"))
        world.health.note_failure(attempt, "refused")
    assert world.table.saves == 0
    world.clock.advance(5)
    assert (world.table.saves, len(world.table.rows)) == (1, 10)
    world.clock.advance(3_600)
    assert world.table.saves == 1


def test_a_server_that_recovered_leaves_no_row(world: World) -> None:
    world.fail()
    world.clock.advance(5)
    assert set(world.table.rows) == {HS}
    world.health.note_success(world.health.admit(HS))
    world.clock.advance(5)
    assert world.table.rows == {}


def test_what_could_not_be_written_is_written_later(world: World) -> None:
    world.table.is_down = True
    world.fail()
    world.clock.advance(5)
    world.table.is_down = False
    world.clock.advance(5)
    assert set(world.table.rows) == {HS}


async def test_failures_of_long_ago_are_forgotten(world: World) -> None:
    world.fail()
    await world.health.flush()
    world.clock.advance(FORGET_AFTER_MS / 1000 + 1)
    health = world.restarted()
    await health.load()
    assert health.retry_at_ms(HS) is None
    await health.flush()
    assert world.table.rows == {}


def test_records_have_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.transport.destination_health.MAX_RECORDS", 10)
    world.fail()
    for number in range(10):
        world.health.note_failure(Attempt(ServerName(f"hs{number}.example"), 0), "refused")
    assert world.health.retry_at_ms(HS) is None
