"""Tokens: places in the log, and places in a room's timeline.

A sync token is the vector of the shards' positions, ``s42`` or ``s42_17_9``. A timeline token is a
place in a room's stitched order, ``t42`` or ``t42_-3``. Wherever a timeline token is asked for, a
sync token will do: it stands for the position of the room's shard.
"""

from __future__ import annotations

import attrs

from homeserver.domain.errors import InvalidParam


@attrs.frozen(slots=True)
class SyncToken:
    """A place in the log: one position for each shard."""

    positions: tuple[int, ...]

    def __str__(self) -> str:
        return "s" + "_".join(map(str, self.positions))

    @classmethod
    def parse(cls, text: str, shards: int) -> SyncToken:
        """The token of its text. InvalidParam when it is not one of this deployment's."""
        if text[:1] == "s":
            parts = text[1:].split("_")
            if len(parts) == shards and all(p.isascii() and p.isdigit() for p in parts):
                return cls(tuple(map(int, parts)))
        raise InvalidParam("Unknown sync token")


@attrs.frozen(slots=True, order=True)
class TimelineToken:
    """A place between two events of a room: after the event at (position, sub)."""

    position: int
    sub: int = 0

    def __str__(self) -> str:
        return f"t{self.position}_{self.sub}" if self.sub else f"t{self.position}"

    @property
    def order(self) -> tuple[int, int]:
        """(position, sub)."""
        return (self.position, self.sub)

    @classmethod
    def parse(cls, text: str, shard: int, shards: int) -> TimelineToken:
        """The place that a timeline or sync token names in a room of ``shard``."""
        if text[:1] == "s":
            return cls(SyncToken.parse(text, shards).positions[shard])
        position, _, sub = text[1:].partition("_")
        if text[:1] == "t" and position.isascii() and position.isdigit():
            if not sub:
                return cls(int(position))
            if sub.isascii() and sub.lstrip("-").isdigit():
                return cls(int(position), int(sub))
        raise InvalidParam("Unknown pagination token")
