"""Whose devices changed, as far as one session has seen it happen."""

from __future__ import annotations

from collections.abc import Sequence
from operator import gt
from typing import Final, TypeVar

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import SyncToken

K = TypeVar("K")

# How much is noted before the notes are dropped; who is behind them then reads the database.
_CAPACITY: Final = 5000

Place = tuple[int, int]
"""A shard and a position of it."""


@attrs.define(slots=True)
class ListChanges:
    """What may have changed for the user of a session.

    ``changed`` are users whose keys changed or who came into a room of the user; ``left`` those who
    left one; ``entered`` and ``departed`` the numbers of rooms that the user came into and left.
    """

    changed: set[UserId] = attrs.Factory(set)
    left: set[UserId] = attrs.Factory(set)
    entered: set[int] = attrs.Factory(set)
    departed: set[int] = attrs.Factory(set)


class DeviceListWatch:
    """The notes of one session, which know everything after the positions they began at."""

    def __init__(self, positions: Sequence[int]) -> None:
        self._began = tuple(positions)
        self._newest = list(positions)
        self._changed: dict[UserId, Place] = {}
        self._left: dict[UserId, Place] = {}
        self._entered: dict[int, Place] = {}
        self._departed: dict[int, Place] = {}

    def user_changed(self, user_id: UserId, place: Place) -> None:
        """The keys of a user who shares a room changed, or such a user came in."""
        self._note(self._changed, user_id, place)

    def user_left(self, user_id: UserId, place: Place) -> None:
        """A user left a room that they shared."""
        self._note(self._left, user_id, place)

    def entered(self, nid: int, place: Place) -> None:
        """The user of the session came into a room."""
        self._note(self._entered, nid, place)

    def departed(self, nid: int, place: Place) -> None:
        """The user of the session left a room."""
        self._note(self._departed, nid, place)

    def has_news(self, since: SyncToken) -> bool:
        """Whether anything was noted after a token, or may have happened before the notes began."""
        return any(map(gt, self._newest, since.positions))

    def reaches_back_to(self, since: SyncToken) -> bool:
        """Whether the notes hold all that came after a token."""
        return not any(map(gt, self._began, since.positions))

    def since(self, since: SyncToken) -> ListChanges:
        """What was noted after a token to which the notes reach back."""
        return ListChanges(
            _after(self._changed, since),
            _after(self._left, since),
            _after(self._entered, since),
            _after(self._departed, since),
        )

    def _note(self, notes: dict[K, Place], key: K, place: Place) -> None:
        shard, position = place
        self._newest[shard] = max(self._newest[shard], position)
        notes[key] = place
        if len(notes) > _CAPACITY:
            self._began = tuple(self._newest)
            for some in (self._changed, self._left, self._entered, self._departed):
                some.clear()


def _after(notes: dict[K, Place], since: SyncToken) -> set[K]:
    return {key for key, (shard, at) in notes.items() if at > since.positions[shard]}
