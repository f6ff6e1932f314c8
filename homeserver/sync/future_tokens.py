"""Tokens whose positions this process has not seen yet, as another one committed them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeserver.log.log import Log
from homeserver.log.tokens import SyncToken
from homeserver.ports.clock import Clock

FUTURE_SECONDS: Final = 5.0
"""How long a token from the future may be waited for."""

_PAUSE_SECONDS: Final = 0.05


async def reach(log: Log, clock: Clock, token: SyncToken, is_stopping: Callable[[], bool]) -> None:
    """Wait, for a bounded time, until this process has seen the positions of a token."""
    deadline = clock.monotonic() + FUTURE_SECONDS
    while any(map(int.__gt__, token.positions, log.published)):
        if clock.monotonic() > deadline or is_stopping():
            return
        await clock.sleep(_PAUSE_SECONDS)
