"""How much is staged: bounds for each server, for each room, and for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from homeserver.domain.identifiers import ServerName
from homeserver.ports.federation.staging import StagedPdu

MOST_OF_ORIGIN: Final = 2_000
MOST_IN_ROOM: Final = 5_000
MOST_BYTES: Final = 128 * 1024 * 1024
MOST_BYTES_OF_ORIGIN: Final = 16 * 1024 * 1024


class StagingLoad:
    """Counts what is staged."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self._of_origin: Counter[ServerName] = Counter()
        self._bytes_of_origin: Counter[ServerName] = Counter()
        self._in_room: Counter[int] = Counter()

    def is_too_much_of(self, origin: ServerName) -> bool:
        """Whether a server has to wait until more of what it sent is judged."""
        return (
            self.bytes >= MOST_BYTES
            or self._of_origin[origin] >= MOST_OF_ORIGIN
            or self._bytes_of_origin[origin] >= MOST_BYTES_OF_ORIGIN
        )

    def is_too_much_in(self, room_nid: int) -> bool:
        """Whether no more events of a room are taken for now."""
        return self._in_room[room_nid] >= MOST_IN_ROOM

    def add(self, staged: Iterable[StagedPdu]) -> None:
        """Count what comes in."""
        for each in staged:
            self._count(each, 1)

    def remove(self, staged: StagedPdu) -> None:
        """Count what goes."""
        self._count(staged, -1)

    def _count(self, staged: StagedPdu, sign: int) -> None:
        self.events += sign
        self.bytes += sign * staged.size
        self._of_origin[staged.origin] += sign
        self._bytes_of_origin[staged.origin] += sign * staged.size
        self._in_room[staged.room_nid] += sign
        if not self._of_origin[staged.origin]:
            del self._of_origin[staged.origin], self._bytes_of_origin[staged.origin]
        if not self._in_room[staged.room_nid]:
            del self._in_room[staged.room_nid]
