"""Token buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.errors import LimitExceeded
from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.routes import RateClass
from tests.clock import FakeClock

LOGIN = RateClass.LOGIN


def limiter(
    clock: FakeClock, per_second: float = 1, burst: float = 3, capacity: int = 1000
) -> RateLimiter:
    return RateLimiter({LOGIN: Rate(per_second, burst)}, clock.monotonic, capacity)


def allowed(limits: RateLimiter, who: str = "a", kind: RateClass = LOGIN) -> bool:
    try:
        limits.spend(kind, who)
    except LimitExceeded:
        return False
    return True


def test_a_burst_is_allowed_and_no_more() -> None:
    limits = limiter(FakeClock())
    assert [allowed(limits) for _ in range(4)] == [True, True, True, False]


def test_a_bucket_fills_again_up_to_its_burst() -> None:
    clock = FakeClock()
    limits = limiter(clock)
    while allowed(limits):
        pass
    clock.advance(1)
    assert [allowed(limits) for _ in range(2)] == [True, False]
    clock.advance(1000)
    assert [allowed(limits) for _ in range(4)] == [True, True, True, False]


def test_everybody_has_a_bucket_of_their_own() -> None:
    limits = limiter(FakeClock(), burst=1)
    assert allowed(limits, "a")
    assert not allowed(limits, "a")
    assert allowed(limits, "b")


def test_kinds_of_action_do_not_share_buckets() -> None:
    rates = {LOGIN: Rate(1, 1), RateClass.JOIN: Rate(1, 1)}
    limits = RateLimiter(rates, FakeClock().monotonic)
    assert allowed(limits, kind=LOGIN)
    assert allowed(limits, kind=RateClass.JOIN)
    assert not allowed(limits, kind=LOGIN)


def test_a_kind_without_a_rate_is_unlimited() -> None:
    limits = limiter(FakeClock(), burst=1)
    assert all(allowed(limits, kind=RateClass.SYNC) for _ in range(100))


def test_the_bucket_used_longest_ago_makes_room_for_another() -> None:
    limits = limiter(FakeClock(), burst=1, capacity=2)
    assert allowed(limits, "a")
    assert allowed(limits, "b")
    assert not allowed(limits, "a")
    assert allowed(limits, "c")
    assert not allowed(limits, "a")
    assert allowed(limits, "b")


rates = st.floats(0.01, 1000)
bursts = st.integers(1, 50)
pauses = st.lists(st.floats(0, 30), max_size=60)


@given(rates, bursts, pauses)
def test_in_no_time_more_is_allowed_than_burst_and_rate_give(
    per_second: float, burst: int, waits: list[float]
) -> None:
    clock = FakeClock()
    limits = limiter(clock, per_second, burst)
    count = 0
    for wait in waits:
        clock.advance(wait)
        count += allowed(limits)
        assert count <= burst + clock.monotonic() * per_second + 1e-6


@given(rates, bursts, pauses)
def test_who_waits_as_long_as_told_is_let_through(
    per_second: float, burst: int, waits: list[float]
) -> None:
    clock = FakeClock()
    limits = limiter(clock, per_second, burst)
    for wait in waits:
        clock.advance(wait)
        retry_ms = None
        try:
            limits.spend(LOGIN, "a")
        except LimitExceeded as error:
            retry_ms = error.retry_after_ms
        if retry_ms is not None:
            assert retry_ms > 0
            clock.advance(retry_ms / 1000)
            assert allowed(limits)


@pytest.mark.parametrize("denied", [1, 5])
def test_what_was_refused_costs_nothing(denied: int) -> None:
    clock = FakeClock()
    limits = limiter(clock, burst=1)
    assert allowed(limits)
    assert not any(allowed(limits) for _ in range(denied))
    clock.advance(1)
    assert allowed(limits)


def test_what_is_given_back_can_be_spent_again() -> None:
    limits = limiter(FakeClock(), burst=2)
    assert [allowed(limits), allowed(limits), allowed(limits)] == [True, True, False]
    limits.give_back(LOGIN, "a")
    assert [allowed(limits), allowed(limits)] == [True, False]


def test_no_more_is_given_back_than_a_bucket_holds() -> None:
    limits = limiter(FakeClock(), burst=2)
    assert allowed(limits)
    for _ in range(5):
        limits.give_back(LOGIN, "a")
    assert [allowed(limits) for _ in range(3)] == [True, True, False]
    limits.give_back(LOGIN, "somebody new")
    limits.give_back(RateClass.SYNC, "a")  # not limited
