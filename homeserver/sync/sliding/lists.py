"""Lists: filtered sequences of a user's rooms, and the ranges of them that a client looks at.

MSC4186, "Lists". The order is kept, not computed: a room in which something happens moves to the
front. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from itertools import islice

import attrs

from homeserver.sync.sliding.list_filters import ListFilter
from homeserver.sync.sliding.room_configs import RoomConfig

Range = tuple[int, int]


@attrs.frozen(slots=True)
class SlidingList:
    """A list as asked for. ``ranges`` are inclusive; None stands for the whole list."""

    config: RoomConfig
    filter: ListFilter
    ranges: tuple[Range, ...] | None


class OrderedRooms:
    """The rooms that match a filter, by their numbers, in the order of activity.

    Each has a stamp; whatever has the greater one was active later.
    """

    def __init__(self, stamped: Iterable[tuple[int, int]] = ()) -> None:
        """``stamped`` are (stamp, room) pairs in any order."""
        self._stamps: OrderedDict[int, int] = OrderedDict(
            (nid, stamp) for stamp, nid in sorted(stamped)
        )

    def __len__(self) -> int:
        return len(self._stamps)

    def __contains__(self, nid: int) -> bool:
        return nid in self._stamps

    def put(self, nid: int, stamp: int) -> None:
        """A room belongs here and was active last at ``stamp``. Those that moved are put in the
        order of their stamps."""
        known = self._stamps.get(nid)
        if known == stamp:
            return
        newest = self._stamps[next(reversed(self._stamps))] if self._stamps else 0
        self._stamps[nid] = stamp
        if stamp >= newest:
            self._stamps.move_to_end(nid)
        else:
            self._stamps = OrderedDict(sorted(self._stamps.items(), key=lambda item: item[1]))

    def remove(self, nid: int) -> bool:
        """A room does not belong here any more; whether it did."""
        return self._stamps.pop(nid, None) is not None

    def covered_by(self, ranges: tuple[Range, ...] | None) -> bool:
        """Whether ranges hold all of the rooms."""
        return ranges is None or any(
            start == 0 and end + 1 >= len(self._stamps) for start, end in ranges
        )

    def within(self, ranges: tuple[Range, ...] | None) -> Collection[int]:
        """The rooms whose index, counted from the one that was active last, is in a range."""
        if self.covered_by(ranges):
            return self._stamps.keys()
        found: dict[int, None] = {}
        for start, end in ranges or ():
            found.update(dict.fromkeys(islice(reversed(self._stamps), start, end + 1)))
        return found.keys()
