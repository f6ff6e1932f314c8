"""Values that are good for some time."""

from __future__ import annotations

from federation.transport.expiring_cache import ExpiringCache
from tests.clock import FakeClock


def test_a_value_is_good_until_its_time_is_over() -> None:
    clock = FakeClock()
    cache: ExpiringCache[str, int] = ExpiringCache(clock, 10)
    cache.put("a", 1, 5)
    clock.advance(4)
    assert cache.get("a") == 1
    clock.advance(1)
    assert cache.get("a") is None
    assert len(cache) == 0


def test_another_value_takes_the_place_of_one_for_the_rest_of_its_time() -> None:
    clock = FakeClock()
    cache: ExpiringCache[str, int] = ExpiringCache(clock, 10)
    cache.put("a", 1, 5)
    clock.advance(4)
    cache.replace("a", 2)
    cache.replace("b", 2)
    assert (cache.get("a"), cache.get("b")) == (2, None)
    clock.advance(1)
    assert cache.get("a") is None


def test_the_oldest_make_room() -> None:
    cache: ExpiringCache[int, int] = ExpiringCache(FakeClock(), 3)
    for number in range(3):
        cache.put(number, number, 5)
    cache.put(0, 0, 5)
    cache.put(3, 3, 5)
    assert [cache.get(number) for number in range(4)] == [0, None, 2, 3]
