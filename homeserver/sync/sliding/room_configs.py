"""How much of a room is told: the configs of rules, combined. Pure.

MSC4186, "Combining room configs", "Changing room configs".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import attrs

from homeserver.sync.sliding.required_state import MOST_RULES, NOTHING_REQUIRED, RequiredState

LARGEST_TIMELINE: Final = 100
"""No room is told with more events than this."""


@attrs.frozen(slots=True, cache_hash=True)
class RoomConfig:
    """How much of a room is told: how many of its newest events, and which state."""

    timeline_limit: int = 0
    required_state: RequiredState = NOTHING_REQUIRED

    def expands(self, known: RoomConfig) -> bool:
        """Whether a client that knows a room by ``known`` may have to be told more of it."""
        return self.timeline_limit > known.timeline_limit or self.required_state.asks_beyond(
            known.required_state
        )

    def widened_by(self, other: RoomConfig) -> RoomConfig:
        """What a client knows who was told by both: as much of the timeline as was told last
        (``other``), the state of either while that is worth remembering."""
        required = self.required_state.joined_with(other.required_state)
        if len(required.rules) > MOST_RULES:
            required = other.required_state
        return RoomConfig(other.timeline_limit, required)


@lru_cache(maxsize=4096)
def combined(configs: tuple[RoomConfig, ...]) -> RoomConfig:
    """The superset of the configs of all rules that a room matches; at least one."""
    if len(configs) == 1:
        return configs[0]
    required = RequiredState(frozenset().union(*(c.required_state.rules for c in configs)))
    return RoomConfig(max(c.timeline_limit for c in configs), required)
