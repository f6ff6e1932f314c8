"""Shedding: when the reactor falls behind, requests that can wait are refused first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeserver.domain.errors import Overloaded
from homeserver.http.routes import RateClass

_RETRY_MS: Final = 2000

_FIRST: Final = (RateClass.EPHEMERAL, RateClass.SEARCH)
_NEVER: Final = (RateClass.MESSAGE, RateClass.SYNC, RateClass.NONE)


class Shedding:
    """Refuses requests by the class of what they do.

    ``lag`` gives how far the reactor is behind, in seconds. Above ``first_seconds`` typing,
    receipts, presence and searches are refused; above ``most_seconds`` everything but sending,
    syncing and what operators ask.
    """

    def __init__(self, lag: Callable[[], float], first_seconds: float, most_seconds: float) -> None:
        self._lag = lag
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds

    def check(self, rate_class: RateClass) -> None:
        """Raises Overloaded (503, with Retry-After) for a request that is to come again later."""
        if rate_class in _NEVER:
            return
        limit = self._first_seconds if rate_class in _FIRST else self._most_seconds
        if self._lag() > limit:
            raise Overloaded(_RETRY_MS)
