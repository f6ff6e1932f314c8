"""What operators are told of rooms, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeserver.domain.identifiers import EventId
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.room_figures import MembershipRecord
from homeserver.services.admin.room_check import (
    CheckReport,
    MembershipDifference,
    PlaceDifference,
)
from homeserver.services.admin.room_inspection import EventReport, RoomReport


def room_body(report: RoomReport) -> dict[str, Any]:
    """What there is of a room."""
    figures = report.figures
    return {
        "room_id": report.room_id,
        "room_version": report.version,
        "position": report.position,
        "resolved_position": report.resolved_position,
        "forward_extremities": [_event(each) for each in report.extremities],
        "gaps": [
            {"position": gap.position, "sub": gap.sub, "missing": gap.event_ids}
            for gap in report.gaps
        ],
        "events": {standing.name.lower(): n for standing, n in figures.events.items()},
        "filled_in": figures.filled,
        "snapshots": figures.snapshots,
        "state": {"count": sum(report.state.values()), "types": report.state},
    }


def event_body(report: EventReport) -> dict[str, Any]:
    """An event, the state before it and its auth chain."""
    stored, state = report.stored, report.state
    return {
        **_event(stored),
        "state_key": stored.event.state_key,
        "standing": stored.standing.name.lower(),
        "position": stored.position if stored.position >= 0 else None,
        "sub": stored.sub,
        "prev_events": stored.event.prev_event_ids,
        "auth_events": stored.event.auth_event_ids,
        "state_before": None
        if state is None
        else [
            {"type": type, "state_key": state_key, "event_id": event_id}
            for (type, state_key), event_id in state.items()
        ],
        "auth_chain": [
            {**_event(each), "standing": each.standing.name.lower()} for each in report.auth_chain
        ],
    }


def check_body(report: CheckReport, ids: Mapping[int, EventId]) -> dict[str, Any]:
    """What a check found. ``ids`` has those of the events that it names."""
    return {
        "is_right": report.is_right,
        "events": report.events,
        "places": len(report.state),
        "state_differences": [_place(each, ids) for each in report.places],
        "membership_differences": [_member(each, ids) for each in report.memberships],
        "refused_events": [
            {**_event(each.stored), "reason": each.reason} for each in report.refused
        ],
    }


def _event(stored: StoredEvent) -> dict[str, Any]:
    event = stored.event
    return {
        "event_id": event.event_id,
        "type": event.type,
        "sender": event.sender,
        "depth": event.depth,
        "origin_server_ts": event.origin_server_ts,
    }


def _place(place: PlaceDifference, ids: Mapping[int, EventId]) -> dict[str, Any]:
    type, state_key = place.key
    return {
        "type": type,
        "state_key": state_key,
        "replayed": _id(place.replayed, ids),
        "stored": _id(place.stored, ids),
        "resolved": _id(place.resolved, ids),
        "in_memory": _id(place.in_memory, ids),
    }


def _id(nid: int | None, ids: Mapping[int, EventId]) -> str | None:
    """The ID of an event; of one that is not there, its number."""
    return None if nid is None else ids.get(nid, f"#{nid}")


def _member(member: MembershipDifference, ids: Mapping[int, EventId]) -> dict[str, Any]:
    return {
        "user_id": member.user_id,
        "replayed": _record(member.replayed, ids),
        "table": _record(member.table, ids),
        "in_memory": _record(member.in_memory, ids),
    }


def _record(record: MembershipRecord | None, ids: Mapping[int, EventId]) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"membership": record.membership, "event_id": _id(record.event_nid, ids)}
