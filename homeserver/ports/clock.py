"""Time, as a parameter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class DelayedCall(Protocol):
    """A call that will happen."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """The one source of time."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def call_later(self, seconds: float, work: Callable[..., object], *args: Any) -> DelayedCall:
        """Call ``work(*args)`` after some time."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Resolve after some time."""
        ...
