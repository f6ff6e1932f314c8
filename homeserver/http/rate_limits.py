"""Token buckets: how often a user or an address may do each kind of action."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import attrs

from homeserver.domain.errors import LimitExceeded
from homeserver.http.routes import RateClass


@attrs.frozen(slots=True)
class Rate:
    """``per_second`` actions in the long run, ``burst`` at once."""

    per_second: float
    burst: float


class RateLimiter:
    """Buckets for (kind of action, user or address), at most ``capacity`` of them.

    ``monotonic`` gives seconds. A class that ``rates`` does not name is unlimited.
    """

    def __init__(
        self,
        rates: Mapping[RateClass, Rate],
        monotonic: Callable[[], float],
        capacity: int = 100_000,
    ) -> None:
        self._rates = dict(rates)
        self._monotonic = monotonic
        self._capacity = capacity
        self._buckets: OrderedDict[tuple[RateClass, str], tuple[float, float]] = OrderedDict()

    def spend(self, rate_class: RateClass, who: str, cost: float = 1.0) -> None:
        """Take ``cost`` from the bucket; LimitExceeded, and nothing taken, when it is too empty."""
        rate = self._rates.get(rate_class)
        if rate is None:
            return
        now = self._monotonic()
        key = (rate_class, who)
        level, then = self._buckets.get(key, (rate.burst, now))
        level = min(rate.burst, level + (now - then) * rate.per_second)
        if level < cost:
            if key in self._buckets:
                # Whoever asks on and on must not be forgotten, and so be let through.
                self._buckets.move_to_end(key)
            raise LimitExceeded(int((cost - level) / rate.per_second * 1000) + 1)
        self._buckets[key] = (level - cost, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)

    def give_back(self, rate_class: RateClass, who: str, cost: float = 1.0) -> None:
        """Put into the bucket again what was taken for an action that turned out to be free."""
        bucket = self._buckets.get((rate_class, who))
        if bucket is not None:
            level, then = bucket
            burst = self._rates[rate_class].burst
            self._buckets[rate_class, who] = (min(burst, level + cost), then)
