"""A client of /v3/sync."""

from __future__ import annotations

import json

from synctest.models.known import Gap, Inconsistent, JsonObject, KnownRoom, SyncRequest

PATH = "/_matrix/client/v3/sync"


class ClassicClient:
    """Syncs incrementally, with full state and all account data. See `ModelClient`."""

    def __init__(self, user_id: str, *, timeline_limit: int) -> None:
        self.user_id = user_id
        self.timeline_limit = timeline_limit
        self.since: str | None = None
        self.rooms: dict[str, KnownRoom] = {}
        self.account_data: dict[str, JsonObject] = {}
        self.to_device: list[JsonObject] = []
        self.is_behind = True

    def request(self, timeout_ms: int = 0) -> SyncRequest:
        """See `ModelClient`."""
        room_filter = {"timeline": {"limit": self.timeline_limit}}
        query = {"timeout": str(timeout_ms), "filter": json.dumps({"room": room_filter})}
        if self.since is not None:
            query["since"] = self.since
        return SyncRequest("GET", PATH, query, None)

    def take_in(self, answer: JsonObject, now: int) -> list[Gap]:
        """See `ModelClient`."""
        gaps: list[Gap] = []
        sections = answer.get("rooms", {})
        for name in ("leave", "join"):
            for room_id, told in sections.get(name, {}).items():
                gaps += self._take_room(room_id, told, name, now)
        for name in ("invite", "knock"):
            for room_id, told in sections.get(name, {}).items():
                stripped = told[f"{name}_state"]["events"]
                self.rooms[room_id] = KnownRoom(membership=name, stripped=stripped)
        for event in answer.get("account_data", {}).get("events", ()):
            self.account_data[event["type"]] = event["content"]
        messages = answer.get("to_device", {}).get("events", ())
        self.to_device += messages
        self.is_behind = bool(sections or messages or self.since is None)
        self.since = answer["next_batch"]
        return gaps

    def _take_room(self, room_id: str, told: JsonObject, section: str, now: int) -> list[Gap]:
        room = self.rooms.get(room_id)
        if room is None or (section == "join" and room.membership != "join"):
            # Whoever comes in is told of a room from scratch.
            room = self.rooms[room_id] = KnownRoom(membership=section, told_at=now)
        timeline = told["timeline"]
        index = len(room.events)
        room.take_events(timeline["events"])
        room.take_state(told["state"]["events"], self.user_id)
        room.take_state((e for e in timeline["events"] if "state_key" in e), self.user_id)
        if (room.membership == "join") != (section == "join"):
            raise Inconsistent(f"{room_id} is in {section}, and its state says {room.membership}")
        for event in told.get("account_data", {}).get("events", ()):
            room.account_data[event["type"]] = event["content"]
        for event in told.get("ephemeral", {}).get("events", ()):
            if event["type"] == "m.receipt":
                room.take_receipts(event["content"])
            else:
                room.typing = frozenset(event["content"]["user_ids"])
        counts = told.get("unread_notifications")
        if counts is not None:
            room.unread = (counts["notification_count"], counts["highlight_count"])
        return [Gap(room_id, timeline["prev_batch"], index)] if timeline["limited"] else []
