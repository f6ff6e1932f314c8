from __future__ import annotations

import pytest

from synctest.failure import ScenarioFailed
from synctest.parcels import PARCEL, Parcel, check_parcels, parcels_in

ALICE, BOB = "@alice:example.org", "@bob:example.org"


def parcels(sender: str, *numbers: int) -> list[Parcel]:
    return [Parcel(sender, number) for number in numbers]


def test_messages_of_several_senders_may_interleave() -> None:
    received = [*parcels(ALICE, 0), *parcels(BOB, 0, 1), *parcels(ALICE, 1, 2)]
    check_parcels(received, {ALICE: 3, BOB: 2})


def test_a_missing_message_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match=f"lost, of those that {ALICE} sent: \\[1\\]"):
        check_parcels(parcels(ALICE, 0, 2), {ALICE: 3})


def test_a_doubled_message_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match=r"more than once.*\[1\]"):
        check_parcels(parcels(ALICE, 0, 1, 1, 2), {ALICE: 3})


def test_messages_out_of_order_are_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="out of order"):
        check_parcels(parcels(ALICE, 0, 2, 1), {ALICE: 3})


def test_other_messages_are_no_parcels() -> None:
    parcel = {"type": PARCEL, "sender": ALICE, "content": {"number": 4}}
    other = {"type": "m.dummy", "sender": ALICE, "content": {}}
    assert parcels_in({"to_device": {"events": [other, parcel]}}) == parcels(ALICE, 4)
    assert parcels_in({}) == []
