"""Clients of simplified sliding sync.

    phone = Phone(bob, lists={"all": a_list()})
    answer = await phone.sync()
    assert answer.rooms[room]["name"] == "Garden"

A phone remembers its position, and sends the same request until it is changed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import attrs
from twisted.internet.defer import Deferred

from homeserver.api.messages.sliding_sync import SlidingSyncApi
from homeserver.domain.canonical_json import JsonObject
from homeserver.http.routes import Api
from homeserver.runtime.wiring.sliding_sync import (
    RoomReading,
    build_sliding_sync,
    sliding_extensions,
)
from homeserver.sync.unread_section import UnreadSection
from storage.personal.account_data import SqlAccountDataStore
from tests.http_requests import Response
from tests.rooms_fixture import Person
from tests.sync_fixture import SyncServer

UNSTABLE = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
STABLE = "/_matrix/client/v4/sync"


class SlidingServer(SyncServer):
    """A server that people chat on, with sliding sync besides."""

    def further_apis(self) -> list[Api]:
        apis = super().further_apis()
        self.sliding = build_sliding_sync(
            self.log,
            self.clock,
            self.sessions,
            RoomReading(
                self.directory,
                self.presenter,
                self.visibility,
                UnreadSection(self.unread, self.push_rules_index),
                SqlAccountDataStore(self.log),
            ),
            sliding_extensions(self.personal, self.device_updates, self.directory),
        )
        return [*apis, SlidingSyncApi(self.sliding, self.presence)]


@attrs.frozen
class SlidingAnswer:
    """The answer to a sliding sync."""

    json: JsonObject

    @property
    def pos(self) -> str:
        return str(self.json["pos"])

    @property
    def rooms(self) -> dict[str, JsonObject]:
        found: dict[str, JsonObject] = self.json["rooms"]
        return found

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing new in it."""
        return not self.rooms and not self.json["extensions"]

    def count(self, key: str = "all") -> int:
        """How many rooms are in a list."""
        return int(self.json["lists"][key]["count"])

    def timeline(self, room_id: str) -> list[str]:
        """The IDs of the events of a room's timeline."""
        return [e["event_id"] for e in self.rooms[room_id].get("timeline", ())]

    def state(self, room_id: str) -> dict[tuple[str, str], JsonObject]:
        """The content of the state of a room, by place."""
        return {
            (e["type"], e["state_key"]): e["content"]
            for e in self.rooms[room_id].get("required_state", ())
        }

    def members(self, room_id: str) -> set[str]:
        """The users whose member events are in the state of a room."""
        return {key for type, key in self.state(room_id) if type == "m.room.member"}


def a_list(
    *ranges: tuple[int, int],
    timeline: int = 10,
    state: list[list[str]] | None = None,
    **filters: Any,
) -> JsonObject:
    """A list in the unstable shape."""
    return {
        "ranges": [list(r) for r in ranges or ((0, 99),)],
        "timeline_limit": timeline,
        "required_state": state or [],
        "filters": filters,
    }


def a_subscription(timeline: int = 10, state: list[list[str]] | None = None) -> JsonObject:
    """A subscription in the unstable shape."""
    return {"timeline_limit": timeline, "required_state": state or []}


@attrs.define
class Phone:
    """A client of somebody, that remembers where it was."""

    person: Person
    lists: JsonObject = attrs.field(factory=lambda: {"all": a_list()})
    subscriptions: JsonObject = attrs.field(factory=dict)
    extensions: JsonObject = attrs.field(factory=dict)
    conn_id: str | None = None
    pos: str | None = None
    is_stable: bool = False

    async def request(self, timeout_ms: int = 0, **body: Any) -> Response:
        """Ask for a sync, whatever comes of it."""
        server = self.person.server
        assert isinstance(server, SlidingServer)
        server.clock.advance(0.001)
        asked: JsonObject = {"lists": self.lists, "extensions": self.extensions}
        if self.subscriptions:
            asked["room_subscriptions"] = self.subscriptions
        if self.conn_id is not None:
            asked["conn_id"] = self.conn_id
        where = {"timeout": timeout_ms, **({"pos": self.pos} if self.pos is not None else {})}
        if self.is_stable:
            return await self.person.post(STABLE, {**asked, **where, **body})
        return await self.person.post(f"{UNSTABLE}?{urlencode(where)}", {**asked, **body})

    async def peek(self, **more: Any) -> SlidingAnswer:
        """Sync, and lose the answer."""
        response = await self.request(**more)
        assert response.status == 200, response.json
        return SlidingAnswer(response.json)

    async def sync(self, **more: Any) -> SlidingAnswer:
        """Sync, and go on from there next time."""
        answer = await self.peek(**more)
        self.pos = answer.pos
        return answer

    def waits(self, timeout_ms: int = 30_000, **more: Any) -> Deferred[SlidingAnswer]:
        """Wait for something new."""
        return Deferred.fromCoroutine(self.sync(timeout_ms=timeout_ms, **more))
