"""Other servers, which answer what they are asked about the rooms they are told to know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import attrs
from twisted.internet.defer import Deferred

from federation.keys.key_ring import KeyRequest
from federation.transport.errors import DestinationUnavailable, RemoteError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, ServerName
from tests.homeserver.domain.event_factory import Room
from tests.homeserver.domain.pdus import KEY

_PATH = re.compile(r"/_matrix/federation/v1/([a-z_]+)/(.*)")


class KnownKeys:
    """See :class:`federation.keys.key_ring.KeyRing`: every server but some signs with one key."""

    def __init__(self) -> None:
        self.unknown: set[ServerName] = set()
        self.asked = 0

    async def keys_for(self, requests: Iterable[KeyRequest]) -> dict[KeyRequest, str]:
        self.asked += 1
        return {
            request: KEY.verify_key_base64
            for request in requests
            if request.key_id == KEY.key_id and request.server not in self.unknown
        }


@attrs.define
class RemoteServer:
    """What one server says of a room. ``hidden`` are events that it does not give."""

    room: Room
    hidden: set[EventId] = attrs.Factory(set)
    is_down: bool = False
    told_instead: dict[str, Callable[[JsonObject], JsonObject]] = attrs.Factory(dict)
    """By the name of an operation: what is answered instead of the truth."""

    def answer(self, operation: str, parameters: list[str], query: JsonObject) -> JsonObject:
        if operation in self.told_instead:
            return self.told_instead[operation]({"parameters": parameters, **query})
        match operation:
            case "event":
                return {"pdus": [self._event(parameters[0]).pdu_object()]}
            case "event_auth":
                chain = self._chain([self._event(parameters[1])])
                return {"auth_chain": self._given(chain)}
            case "state_ids":
                state, chain = self._state(query["event_id"])
                return {
                    "pdu_ids": [each.event_id for each in state],
                    "auth_chain_ids": [each.event_id for each in chain],
                }
            case "state":
                state, chain = self._state(query["event_id"])
                return {"pdus": self._given(state), "auth_chain": self._given(chain)}
            case "get_missing_events":
                found = self._past(query["latest_events"], set(query["earliest_events"]))
                latest = set(query["latest_events"])
                events = [event for event in found if event.event_id not in latest]
                return {"events": self._given(events[: query["limit"]])}
            case "backfill":
                found = self._past(query["v"], set())
                return {"pdus": self._given(found)[: int(query["limit"])]}
        raise AssertionError(operation)

    def state_before(self, event: Event) -> dict[StateKey, Event]:
        """The state before an event; where branches meet, that of the last wins."""
        state: dict[StateKey, Event] = {}
        for prev_id in event.prev_event_ids:
            prev = self.room.events[prev_id]
            state.update(self.state_before(prev))
            if prev.is_state:
                state[prev.state_map_key()] = prev
        return state

    def _event(self, event_id: str) -> Event:
        event = self.room.events.get(EventId(event_id))
        if event is None or event.event_id in self.hidden:
            raise RemoteError(ServerName("somewhere"), 404, "M_NOT_FOUND", "", {})
        return event

    def _state(self, event_id: str) -> tuple[list[Event], list[Event]]:
        state = list(self.state_before(self._event(event_id)).values())
        return state, self._chain(state)

    def _given(self, events: Iterable[Event]) -> list[JsonObject]:
        return [event.pdu_object() for event in events if event.event_id not in self.hidden]

    def _chain(self, events: Iterable[Event]) -> list[Event]:
        found: dict[EventId, Event] = {}
        ahead = [i for event in events for i in event.auth_event_ids]
        while ahead:
            event = self.room.events[ahead.pop()]
            if event.event_id not in found:
                found[event.event_id] = event
                ahead += event.auth_event_ids
        return list(found.values())

    def _past(self, latest: Iterable[str], earliest: set[str]) -> list[Event]:
        """The events from some on, the nearest first."""
        found: dict[EventId, Event] = {}
        ahead = list(latest)
        while ahead:
            event_id = EventId(ahead.pop(0))
            if event_id in found or event_id in earliest or event_id in self.hidden:
                continue
            event = self.room.events.get(event_id)
            if event is not None:
                found[event_id] = event
                ahead += event.prev_event_ids
        return list(found.values())


class RemoteServers:
    """See :class:`federation.inbound.remote_history.RemoteServers`.

    While a server is among ``held`` its answers wait.
    """

    def __init__(self) -> None:
        self.servers: dict[ServerName, RemoteServer] = {}
        self.asked: list[tuple[ServerName, str]] = []
        self.held: dict[ServerName, Deferred[None]] = {}

    async def get_json(
        self,
        destination: ServerName,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> JsonObject:
        return await self._ask(destination, path, dict(query or {}))

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject | bytes,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> JsonObject:
        assert isinstance(content, dict)
        return await self._ask(destination, path, content)

    async def _ask(self, destination: ServerName, path: str, query: JsonObject) -> JsonObject:
        match = _PATH.fullmatch(path)
        assert match is not None
        self.asked.append((destination, match[1]))
        if destination in self.held:
            waiting: Deferred[None] = Deferred()
            self.held[destination].addCallback(lambda _: waiting.callback(None))
            await waiting
        server = self.servers.get(destination)
        if server is None or server.is_down:
            raise DestinationUnavailable(destination, "nobody is there")
        parameters = [unquote(each) for each in match[2].split("/")]
        return server.answer(match[1], parameters, query)

    def questions(self, operation: str) -> int:
        """How often something was asked."""
        return sum(1 for _, asked in self.asked if asked == operation)
