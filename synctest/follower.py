"""A device that follows /sync and keeps what a client keeps."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable

import attrs

from synctest.client import Client
from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed
from synctest.timeline import Timeline

POLL_MS = 1000
"""How long a poll may wait: what a follower waits for is looked at again after each answer."""


@attrs.frozen
class Unread:
    """The unread counts of a room, as a badge shows them."""

    notifications: int
    highlights: int


class Follower:
    """Follows one device's /sync with continued tokens, filling gaps through /messages.

    ``timeline_limit`` is asked of the server by a filter; a small one makes gaps frequent.
    """

    def __init__(self, client: Client, *, timeline_limit: int = 20) -> None:
        self.client = client
        self.since: str | None = None
        self.gaps_filled = 0
        self.timelines: dict[str, Timeline] = {}
        self.unread: dict[str, Unread] = {}
        self.receipts: dict[str, dict[str, str]] = defaultdict(dict)
        self.typing: dict[str, set[str]] = defaultdict(set)
        self.to_device: list[JsonObject] = []
        self._filter = {"room": {"timeline": {"limit": timeline_limit}}}

    def __repr__(self) -> str:
        return f"the follower of {self.client!r}"

    async def until(self, condition: Callable[[], bool], what: str, *, limit: float = 30.0) -> None:
        """Follow until ``condition`` holds; raises `ScenarioFailed` after ``limit`` seconds."""
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                raise ScenarioFailed(f"{self!r} waited {limit:.0f} s in vain for {what}")
            await self.step(POLL_MS)

    async def follow_while(self, busy: asyncio.Event) -> None:
        """Follow for as long as ``busy`` is set."""
        while busy.is_set():
            await self.step(POLL_MS)

    async def step(self, timeout_ms: int = 0) -> None:
        """One /sync, and what it takes to fill the gaps that it shows."""
        answer = await self.client.sync(self.since, timeout_ms=timeout_ms, sync_filter=self._filter)
        for room_id, room in answer.get("rooms", {}).get("join", {}).items():
            await self._take_events(room_id, room.get("timeline", {}))
            self._take_unread(room_id, room.get("unread_notifications", {}))
            for event in room.get("ephemeral", {}).get("events", ()):
                self._take_ephemeral(room_id, event)
        self.to_device += answer.get("to_device", {}).get("events", ())
        self.since = answer["next_batch"]

    async def _take_events(self, room_id: str, chunk: JsonObject) -> None:
        timeline = self.timelines.setdefault(room_id, Timeline(repr(self)))
        if chunk.get("limited", False):
            timeline.extend(await self._gap_before(room_id, timeline, chunk["prev_batch"]))
        timeline.extend(chunk.get("events", ()))

    async def _gap_before(
        self, room_id: str, timeline: Timeline, start: str | None
    ) -> list[JsonObject]:
        """The events before ``start`` that the timeline lacks, oldest first."""
        missing: list[JsonObject] = []
        while start is not None:
            page = await self.client.messages(room_id, start=start)
            for event in page["chunk"]:
                if event["event_id"] in timeline:
                    start = None
                    break
                missing.append(event)
            else:
                start = page.get("end")
        self.gaps_filled += bool(missing)
        return missing[::-1]

    def _take_unread(self, room_id: str, counts: JsonObject) -> None:
        if counts:
            self.unread[room_id] = Unread(counts["notification_count"], counts["highlight_count"])

    def _take_ephemeral(self, room_id: str, event: JsonObject) -> None:
        match event["type"]:
            case "m.typing":
                self.typing[room_id] = set(event["content"]["user_ids"])
            case "m.receipt":
                for event_id, receipts in event["content"].items():
                    for user_id in receipts.get("m.read", ()):
                        self.receipts[room_id][user_id] = event_id
