"""What is refused of delayed events, and kept of them (MSC4140).

The proposal has no stable error codes yet; clients look for its own in a property beside
M_UNKNOWN.
"""

from __future__ import annotations

from typing import Final

import attrs

from homeserver.domain.errors import Unknown

KEPT: Final = 1000
"""How many finalised events of a user are kept, ..."""

KEPT_MS: Final = 7 * 86_400_000
"""... and for how long, in milliseconds. Both are what the proposal recommends."""

MAX_CONTENT_BYTES: Final = 65_536
"""No event may be larger ("Size limits")."""


@attrs.frozen
class DelayLimits:
    """The longest delay, in milliseconds, and how many events a user may have scheduled."""

    max_delay_ms: int = 86_400_000
    max_scheduled: int = 100


class MaxDelayExceeded(Unknown):
    """The delay is longer than ``max_delay_ms``."""

    def __init__(self, max_delay_ms: int) -> None:
        super().__init__(
            "The requested delay exceeds the allowed maximum",
            **{
                "org.matrix.msc4140.errcode": "M_MAX_DELAY_EXCEEDED",
                "org.matrix.msc4140.max_delay": max_delay_ms,
            },
        )


class AlreadyFinalised(Unknown):
    """The delayed event has come to another end than the one that is asked for."""

    status = 409
    default_message = "The delayed event has been finalised"
