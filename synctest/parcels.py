"""Numbered to-device messages, which tell whether one is missing, doubled or out of order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import attrs

from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed

PARCEL = "org.myelin.synctest.parcel"


@attrs.frozen
class Parcel:
    """A message, by its number among those of its sender, which begin at 0."""

    sender: str
    number: int


def parcels_in(answer: JsonObject) -> list[Parcel]:
    """The parcels that an answer to /sync carries, in order."""
    events = answer.get("to_device", {}).get("events", ())
    return [Parcel(e["sender"], e["content"]["number"]) for e in events if e["type"] == PARCEL]


def check_parcels(received: Sequence[Parcel], sent: Mapping[str, int]) -> None:
    """Raises `ScenarioFailed` unless each sender's messages, so many, came once and in order."""
    by_sender: dict[str, list[int]] = defaultdict(list)
    for parcel in received:
        by_sender[parcel.sender].append(parcel.number)
    for sender, count in sent.items():
        numbers = by_sender[sender]
        missing = sorted(set(range(count)) - set(numbers))
        if missing:
            raise ScenarioFailed(f"lost, of those that {sender} sent: {missing[:10]}")
        if len(numbers) > count:
            twice = sorted({number for number in numbers if numbers.count(number) > 1})
            raise ScenarioFailed(f"came more than once, of those that {sender} sent: {twice[:10]}")
        if numbers != sorted(numbers):
            raise ScenarioFailed(f"those that {sender} sent came out of order")
