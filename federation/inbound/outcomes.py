"""What becomes of events that other servers send, to be counted."""

from __future__ import annotations

import enum
from typing import Protocol

from homeserver.ports.rooms.events import Standing


class Outcome(enum.Enum):
    """The end of an event, or a step on its way."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SOFT_FAILED = "soft_failed"
    KNOWN = "known"
    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    KEY_UNAVAILABLE = "key_unavailable"
    DENIED = "denied"
    UNKNOWN_ROOM = "unknown_room"
    TOO_MANY = "too_many"
    POSTPONED = "postponed"
    GIVEN_UP = "given_up"
    FAILED = "failed"


class Outcomes(Protocol):
    """Counts outcomes."""

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """Note that events ended so."""
        ...


def outcome_of(standing: Standing) -> Outcome:
    """What the judgement of an event counts as."""
    match standing:
        case Standing.ACCEPTED:
            return Outcome.ACCEPTED
        case Standing.SOFT_FAILED:
            return Outcome.SOFT_FAILED
    return Outcome.REJECTED
