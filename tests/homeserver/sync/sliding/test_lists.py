"""The order of lists, their ranges and filters."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import RoomId
from homeserver.sync.sliding.list_filters import ListFilter, RoomTraits
from homeserver.sync.sliding.lists import OrderedRooms, Range

ROOM = RoomId("!room:hs")


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (None, [1, 2, 3, 4, 5]),
        ((), []),
        (((0, 0),), [5]),
        (((0, 1),), [4, 5]),
        (((1, 2),), [3, 4]),
        (((0, 99),), [1, 2, 3, 4, 5]),
        (((4, 99),), [1]),
        (((5, 99),), []),
        (((0, 0), (2, 3)), [2, 3, 5]),
        (((0, 2), (1, 3)), [2, 3, 4, 5]),
    ],
)
def test_ranges_count_from_the_room_that_was_active_last(
    ranges: tuple[Range, ...] | None, expected: list[int]
) -> None:
    rooms = OrderedRooms((nid, nid) for nid in (3, 1, 5, 2, 4))
    assert sorted(rooms.within(ranges)) == expected


def test_a_room_in_which_something_happens_moves_to_the_front() -> None:
    rooms = OrderedRooms((nid, nid) for nid in range(1, 4))
    rooms.put(1, 4)
    assert list(rooms.within(((0, 0),))) == [1]
    rooms.put(9, 5)
    assert list(rooms.within(((0, 1),))) == [9, 1]
    rooms.put(8, 2)
    assert list(rooms.within(((0, 9),))) == [2, 8, 3, 1, 9]
    assert rooms.remove(9)
    assert not rooms.remove(9)
    assert list(rooms.within(((0, 0),))) == [1]
    assert len(rooms) == 4


def traits(
    membership: str = "join",
    *,
    room_type: str | None = None,
    is_encrypted: bool = False,
    is_dm: bool = False,
    tags: tuple[str, ...] = (),
) -> RoomTraits:
    return RoomTraits(ROOM, membership, room_type, is_encrypted, is_dm, tags)


@pytest.mark.parametrize(
    ("wanted", "room", "is_match"),
    [
        (ListFilter(), traits(), True),
        (ListFilter(is_dm=True), traits(is_dm=True), True),
        (ListFilter(is_dm=True), traits(), False),
        (ListFilter(is_dm=False), traits(is_dm=True), False),
        (ListFilter(is_encrypted=True), traits(is_encrypted=True), True),
        (ListFilter(is_encrypted=False), traits(is_encrypted=True), False),
        (ListFilter(is_invited=True), traits("invite"), True),
        (ListFilter(is_invited=True), traits("join"), False),
        (ListFilter(is_invited=False), traits("invite"), False),
        (ListFilter(is_invited=False), traits("knock"), True),
        (ListFilter(room_types=frozenset()), traits(), False),
        (ListFilter(room_types=frozenset({None})), traits(), True),
        (ListFilter(room_types=frozenset({"m.space"})), traits(room_type="m.space"), True),
        (ListFilter(not_room_types=frozenset({"m.space"})), traits(room_type="m.space"), False),
        (ListFilter(not_room_types=frozenset({None})), traits(), False),
        (
            ListFilter(room_types=frozenset({"m.space"}), not_room_types=frozenset({"m.space"})),
            traits(room_type="m.space"),
            False,
        ),
        (ListFilter(tags=frozenset({"a", "b"})), traits(tags=("b",)), True),
        (ListFilter(tags=frozenset({"a"})), traits(tags=("b",)), False),
        (ListFilter(tags=frozenset()), traits(tags=("b",)), False),
        (ListFilter(not_tags=frozenset({"b"})), traits(tags=("a", "b")), False),
        (
            ListFilter(tags=frozenset({"a"}), not_tags=frozenset({"b"})),
            traits(tags=("a", "b")),
            False,
        ),
        (ListFilter(spaces=frozenset({"!space:hs"})), traits(), True),
        (ListFilter(spaces=frozenset()), traits(), True),
    ],
)
def test_filters(wanted: ListFilter, room: RoomTraits, *, is_match: bool) -> None:
    assert wanted.matches(room, {ROOM}) is is_match


def test_a_room_outside_of_the_spaces_does_not_match() -> None:
    assert not ListFilter(spaces=frozenset({"!space:hs"})).matches(traits(), set())
