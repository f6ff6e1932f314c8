"""A room's events in the order in which one client was told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed


class Timeline:
    """The events of one room, oldest first; an event has one place and is told of once."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._events: list[JsonObject] = []
        self._ids: set[str] = set()

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._ids

    def __iter__(self) -> Iterator[JsonObject]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def extend(self, events: Iterable[JsonObject]) -> None:
        """Append newer events; raises `ScenarioFailed` for one that is here already."""
        for event in events:
            event_id: str = event["event_id"]
            if event_id in self._ids:
                raise ScenarioFailed(f"{self._owner} was told of {event_id} a second time")
            self._ids.add(event_id)
            self._events.append(event)


def redactions_in(events: Iterable[JsonObject]) -> set[str]:
    """The ids of the events that redactions among ``events`` take away."""
    targets = (
        event.get("redacts") or event["content"].get("redacts")
        for event in events
        if event["type"] == "m.room.redaction"
    )
    return {target for target in targets if target is not None}


def check_same_timeline(
    left_name: str,
    left: Sequence[JsonObject],
    right_name: str,
    right: Sequence[JsonObject],
) -> None:
    """Raises `ScenarioFailed` unless both hold the same events in the same order.

    What one side saw before it was redacted, the other may have seen redacted: of redacted
    events only the envelope is compared.
    """
    redacted = redactions_in(left) | redactions_in(right)
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if _essence(one, redacted) != _essence(other, redacted):
            raise ScenarioFailed(
                f"at place {place} of {len(left)} {left_name} has {_brief(one)}, "
                f"where {right_name} has {_brief(other)} of {len(right)}"
            )
    if len(left) != len(right):
        longer, shorter = (left, right) if len(left) > len(right) else (right, left)
        raise ScenarioFailed(
            f"{left_name} has {len(left)} events and {right_name} {len(right)}; "
            f"the first that one lacks is {_brief(longer[len(shorter)])}"
        )


def _essence(event: JsonObject, redacted: set[str]) -> tuple[object, ...]:
    envelope = (event["event_id"], event["type"], event["sender"], event["origin_server_ts"])
    if event["event_id"] in redacted:
        return envelope
    return (*envelope, event.get("state_key"), event["content"])


def _brief(event: JsonObject) -> str:
    return f"{event['event_id']} ({event['type']} from {event['sender']}: {event['content']})"
