"""Delayed events as their owners see them, in the two forms that clients read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.ports.calls.delayed_events import DelayedEvent, Finalisation, Status


def delayed_event_json(delayed: DelayedEvent) -> JsonObject:
    """The form of MSC4140, "Getting delayed events"."""
    shown = _event(delayed)
    shown["delay_ms"] = delayed.delay_ms
    shown["delayed_since_ts"] = delayed.since_ts
    if delayed.finalised is not None:
        end = delayed.finalised
        shown["finalised"] = {"finalised_ts": end.ts, **_result(end)}
    return shown


def listed_in_two(
    scheduled: Sequence[DelayedEvent] | None, finalised: Sequence[DelayedEvent] | None
) -> JsonObject:
    """The form of an earlier MSC4140; None for the part that is not asked for."""
    lists: JsonObject = {}
    if scheduled is not None:
        lists["scheduled"] = [_earlier_event(delayed) for delayed in scheduled]
    if finalised is not None:
        lists["finalised"] = [
            {
                "delayed_event": _earlier_event(delayed),
                "outcome": "send" if delayed.status is Status.SENT else "cancel",
                "reason": _reason(delayed.finalised),
                "origin_server_ts": delayed.finalised.ts,
                **_result(delayed.finalised),
            }
            for delayed in finalised
            if delayed.finalised is not None
        ]
    return lists


def _event(delayed: DelayedEvent) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "delay_id": delayed.delay_id,
        "room_id": delayed.room_id,
        "type": delayed.type,
        "content": msgspec.Raw(delayed.content),
    }
    if delayed.state_key is not None:
        shown["state_key"] = delayed.state_key
    return shown


def _earlier_event(delayed: DelayedEvent) -> dict[str, Any]:
    return {
        **_event(delayed),
        "delay": delayed.delay_ms,
        "running_since": delayed.since_ts,
    }


def _result(end: Finalisation) -> dict[str, Any]:
    if end.event_id is not None:
        return {"event_id": end.event_id}
    return {} if end.error is None else {"error": msgspec.Raw(end.error)}


def _reason(end: Finalisation) -> str:
    if end.status is Status.FAILED:
        return "error"
    return "action" if end.by_action else "delay"
