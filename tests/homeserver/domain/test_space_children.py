"""The children of a space, and their order."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId
from homeserver.domain.space_children import is_child, is_suggested, ordered_children
from tests.homeserver.domain.event_factory import ALICE, Room


@attrs.frozen
class Held:
    """Something around an event."""

    event: Event


def child(room_id: str, ts: int = 0, **content: Any) -> Held:
    room = Room("11")
    event = room.make(
        "m.space.child",
        ALICE,
        {"via": ["hs"], **content},
        state_key=RoomId(room_id),
        ts=ts,
    )
    return Held(event)


def order(*children: Held) -> str:
    """The letters of the rooms, in their order."""
    return "".join((c.event.state_key or "")[1] for c in ordered_children(children))


def test_the_example_of_the_specification() -> None:
    assert (
        order(
            child("!d:hs", 1640741000000),
            child("!e:hs", 1640641000000),
            child("!c:hs", 1640841000000, order="first"),
            child("!a:hs", 1640141000000, order="aaaa"),
            child("!b:hs", 1640341000000, order=" "),
        )
        == "baced"
    )


def test_equal_orders_go_by_time_and_then_by_room() -> None:
    assert order(child("!a:hs", 2, order="x"), child("!b:hs", 1, order="x")) == "ba"
    assert order(child("!b:hs", 1), child("!a:hs", 1)) == "ab"


@pytest.mark.parametrize("junk", [5, None, "", "x" * 51, "\x1f", "\x7f", "ü", ["a"]])
def test_an_order_that_is_none_counts_as_none(junk: Any) -> None:
    assert order(child("!a:hs", 5, order=junk), child("!b:hs", 9, order="~")) == "ba"


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        ({"via": ["hs"]}, True),
        ({"via": []}, False),
        ({"via": "hs"}, False),
        ({"via": ["hs", 5]}, False),
        ({}, False),
    ],
)
def test_a_child_has_servers_to_join_it_by(content: dict[str, Any], is_one: bool) -> None:
    assert is_child(content) is is_one


def test_only_true_suggests() -> None:
    assert is_suggested({"suggested": True})
    assert not any(is_suggested({"suggested": value}) for value in (False, 1, "true", None))
    assert not is_suggested({})
