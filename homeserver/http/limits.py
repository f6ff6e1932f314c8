"""What is refused before a handler sees it."""

from __future__ import annotations

from typing import Final

import attrs

from homeserver.http.overload import Shedding
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.request import DEFAULT_JSON_DEPTH


def _no_lag() -> float:
    return 0.0


UNLOADED: Final = Shedding(_no_lag, 1, 1)
"""Refuses nothing."""


@attrs.frozen
class RequestLimits:
    """The limits of requests: how often, how large, how deep, and while how much is going on.

    ``max_body_bytes`` is for JSON of clients, ``max_signed_body_bytes`` for that of other servers;
    uploads have a limit of their own.
    """

    rates: RateLimiter
    max_body_bytes: int
    json_depth: int = DEFAULT_JSON_DEPTH
    max_signed_body_bytes: int = 10_485_760
    shedding: Shedding = UNLOADED
