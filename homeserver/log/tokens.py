"""Tokens: places in the log, and places in a room's timeline.

A sync token is the vector of the shards' positions, ``s42`` or ``s42_17_9``. A timeline token is a
place in a room's stitched order, ``t42`` or ``t42_-3``. Wherever a timeline token is asked for, a
sync token will do, also with what sliding sync appends to it (``s42~7.5~…``): it stands for the
position of the room's shard.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import attrs

from homeserver.domain.errors import InvalidParam

POSITION_DIGITS: Final = 18
"""Positions are stored in 64 bits."""

_POSITION: Final = rf"(0|[1-9][0-9]{{0,{POSITION_DIGITS - 1}}})"
_PLACE: Final = re.compile(rf"t{_POSITION}(?:_(-?[1-9][0-9]{{0,8}}))?", re.ASCII)


@attrs.frozen(slots=True)
class SyncToken:
    """A place in the log: one position for each shard."""

    positions: tuple[int, ...]

    def __str__(self) -> str:
        return "s" + "_".join(map(str, self.positions))

    @classmethod
    def parse(cls, text: str, shards: int) -> SyncToken:
        """The token of its text. InvalidParam when it is not one of this deployment's."""
        return _sync_token(text, shards)


# Many clients stand at the same place, and a client with no news stands there for long.
@lru_cache(maxsize=4096)
def _sync_token(text: str, shards: int) -> SyncToken:
    parts = text[1:].split("_")
    if text[:1] == "s" and len(parts) == shards and all(map(_is_position, parts)):
        return SyncToken(tuple(map(int, parts)))
    raise InvalidParam("Unknown sync token")


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= POSITION_DIGITS


@attrs.frozen(slots=True, order=True)
class TimelineToken:
    """A place between two events of a room: after the event at (position, sub)."""

    position: int
    sub: int = 0

    def __str__(self) -> str:
        return f"t{self.position}_{self.sub}" if self.sub else f"t{self.position}"

    @property
    def state_position(self) -> int:
        """The position of the room's state history that equals the state at this place."""
        return self.position if self.sub >= 0 else self.position - 1

    @property
    def order(self) -> tuple[int, int]:
        """(position, sub)."""
        return (self.position, self.sub)

    @classmethod
    def parse(cls, text: str, shard: int, shards: int) -> TimelineToken:
        """The place that a timeline or sync token names in a room of ``shard``."""
        if text[:1] == "s":
            return cls(SyncToken.parse(text.partition("~")[0], shards).positions[shard])
        place = _PLACE.fullmatch(text)
        if place is None:
            raise InvalidParam("Unknown pagination token")
        return cls(int(place[1]), int(place[2] or 0))
