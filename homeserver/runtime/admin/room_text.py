"""Rooms, as `myelin admin room` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from homeserver.runtime.admin.tables import NOTHING, either, moment, table

Json = dict[str, Any]


def room_lines(room: Json) -> Iterator[str]:
    """What there is of a room."""
    events, state = room["events"], room["state"]
    yield from _pairs(
        ("room", room["room_id"]),
        ("version", room["room_version"]),
        ("position", room["position"]),
        ("state resolved at", room["resolved_position"] or NOTHING),
        ("events", ", ".join(f"{number} {standing}" for standing, number in events.items())),
        ("filled in later", room["filled_in"]),
        ("snapshots", room["snapshots"]),
        ("current state", f"{state['count']} places"),
    )
    yield ""
    yield f"Forward extremities: {len(room['forward_extremities'])}"
    yield from _events(room["forward_extremities"])
    yield ""
    yield f"Gaps: {len(room['gaps'])}"
    for gap in room["gaps"]:
        yield f"  before {gap['position']}.{gap['sub']}: {' '.join(gap['missing'])}"
    yield ""
    yield from table(("state type", "places"), sorted(state["types"].items()))


def event_lines(event: Json) -> Iterator[str]:
    """An event, the state before it and its auth chain."""
    yield from _pairs(
        ("event", event["event_id"]),
        ("type", event["type"]),
        ("state key", either(event["state_key"])),
        ("sender", event["sender"]),
        ("sent", moment(event["origin_server_ts"])),
        ("standing", event["standing"]),
        ("position", either(event["position"])),
        ("follows", " ".join(event["prev_events"]) or NOTHING),
    )
    yield ""
    state = event["state_before"]
    if state is None:
        yield "The state before it is not known."
    else:
        yield f"State before it: {len(state)} places"
        rows = [(each["type"], each["state_key"], each["event_id"]) for each in state]
        yield from table(("type", "state key", "event"), rows)
    yield ""
    yield f"Auth chain: {len(event['auth_chain'])} events"
    yield from _events(event["auth_chain"])


def check_lines(report: Json) -> Iterator[str]:
    """What a check found."""
    yield f"Went through {report['events']} events, which make {report['places']} places of state."
    if report["is_right"]:
        yield "The state is what the events make of it."
    if report["state_differences"]:
        yield ""
        yield from table(
            ("type", "state key", "right", "stored", "after extremities", "in memory"),
            [
                (
                    each["type"],
                    each["state_key"],
                    *(
                        either(each[name])
                        for name in ("replayed", "stored", "resolved", "in_memory")
                    ),
                )
                for each in report["state_differences"]
            ],
        )
    if report["membership_differences"]:
        yield ""
        yield from table(
            ("user", "right", "stored", "in memory"),
            [
                (
                    each["user_id"],
                    *(_membership(each[n]) for n in ("replayed", "table", "in_memory")),
                )
                for each in report["membership_differences"]
            ],
        )
    if report["refused_events"]:
        yield ""
        yield "Accepted state events that the state before them does not allow:"
        for each in report["refused_events"]:
            yield f"  {each['event_id']}  {each['type']}  {each['reason']}"


def _membership(record: Json | None) -> str:
    return NOTHING if record is None else f"{record['membership']} by {record['event_id']}"


def _pairs(*pairs: tuple[str, object]) -> Iterator[str]:
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        yield f"{name.ljust(width)}  {value}"


def _events(events: Sequence[Json]) -> Iterator[str]:
    if events:
        yield from table(
            ("event", "type", "sender", "depth"),
            [(each["event_id"], each["type"], each["sender"], each["depth"]) for each in events],
        )
