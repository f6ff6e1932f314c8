"""Asking other servers for events: typed, checked, and so that no server holds up the others.

Server-server API, "Retrieving event authorization information" and "Backfilling and retrieving
missing events", and the retrieval of single events and of states. What comes back is checked
(`EventChecks`) and of the room that was asked for; everything else is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import attrs
from twisted.internet.defer import DeferredSemaphore

from federation.inbound.event_checks import EventChecks
from federation.transport.errors import DestinationUnavailable
from federation.transport.request_paths import Query, federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, RoomId, ServerName
from homeserver.domain.room_versions import RoomVersion

AT_ONCE: Final = 30
"""How many questions are open at once."""
AT_ONCE_TO_ONE: Final = 5
"""How many of them to one server."""

SECONDS: Final = 20.0
STATE_SECONDS: Final = 120.0
"""How long an answer may take that has a whole state."""
EVENT_BYTES: Final = 256 * 1024
EVENTS_BYTES: Final = 16 * 1024 * 1024
STATE_BYTES: Final = 200 * 1024 * 1024
STATE_IDS_BYTES: Final = 20 * 1024 * 1024


class RemoteServers(Protocol):
    """What asking needs of the federation's client; see
    :class:`federation.transport.federation_client.FederationClient`."""

    async def get_json(
        self,
        destination: ServerName,
        path: str,
        *,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> JsonObject:
        """The JSON object that a server answers."""
        ...

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject | bytes,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> JsonObject:
        """The JSON object that a server answers to a JSON object."""
        ...


@attrs.frozen
class RoomOf:
    """Which room is asked about."""

    room_id: RoomId
    version: RoomVersion


@attrs.frozen
class StateIds:
    """The state before an event, and what authorises it, by ids."""

    state: frozenset[EventId]
    auth_chain: frozenset[EventId]


class RemoteHistory:
    """What other servers know of rooms. Every question raises FederationError."""

    def __init__(self, servers: RemoteServers, checks: EventChecks) -> None:
        self._servers = servers
        self._checks = checks
        self._open = DeferredSemaphore(AT_ONCE)
        self._open_to: dict[ServerName, DeferredSemaphore] = {}

    async def missing_events(
        self,
        host: ServerName,
        room: RoomOf,
        *,
        earliest: Sequence[EventId],
        latest: Sequence[EventId],
        min_depth: int,
        limit: int,
    ) -> list[Event]:
        """Events between some that are here and some whose past is missing."""
        path = federation_path("get_missing_events", room.room_id)
        content = {
            "earliest_events": list(earliest),
            "latest_events": list(latest),
            "limit": limit,
            "min_depth": min_depth,
        }
        async with self._turn(host):
            answer = await self._servers.post_json(
                host, path, content, timeout=SECONDS, max_bytes=EVENTS_BYTES
            )
        return await self._events(host, room, answer, "events", most=limit)

    async def backfill(
        self, host: ServerName, room: RoomOf, event_ids: Sequence[EventId], limit: int
    ) -> list[Event]:
        """These events and those before them."""
        path = federation_path("backfill", room.room_id)
        query = {"v": list(event_ids), "limit": str(limit)}
        answer = await self._get(host, path, query, SECONDS, EVENTS_BYTES)
        return await self._events(host, room, answer, "pdus", most=limit + len(event_ids))

    async def event(self, host: ServerName, room: RoomOf, event_id: EventId) -> Event | None:
        """One event; None when what the server gives is not that event or not good."""
        path = federation_path("event", event_id)
        answer = await self._get(host, path, None, SECONDS, EVENT_BYTES)
        for event in await self._events(host, room, answer, "pdus", most=1):
            if event.event_id == event_id:
                return event
        return None

    async def auth_chain(self, host: ServerName, room: RoomOf, event_id: EventId) -> list[Event]:
        """Everything that authorises an event."""
        path = federation_path("event_auth", room.room_id, event_id)
        answer = await self._get(host, path, None, SECONDS, EVENTS_BYTES)
        return await self._events(host, room, answer, "auth_chain")

    async def state_ids(self, host: ServerName, room: RoomOf, event_id: EventId) -> StateIds:
        """The state before an event, by ids."""
        path = federation_path("state_ids", room.room_id)
        query = {"event_id": event_id}
        answer = await self._get(host, path, query, STATE_SECONDS, STATE_IDS_BYTES)
        return StateIds(
            _ids(host, answer, "pdu_ids"),
            _ids(host, answer, "auth_chain_ids"),
        )

    async def state(
        self, host: ServerName, room: RoomOf, event_id: EventId, wanted: Collection[EventId]
    ) -> list[Event]:
        """Those of ``wanted`` that are in the state before an event or authorise it."""
        path = federation_path("state", room.room_id)
        query = {"event_id": event_id}
        answer = await self._get(host, path, query, STATE_SECONDS, STATE_BYTES)
        pdus = [*_list(host, answer, "pdus"), *_list(host, answer, "auth_chain")]
        return await self._checked(room, pdus, frozenset(wanted))

    # --- below the questions

    async def _get(
        self,
        host: ServerName,
        path: str,
        query: Query | None,
        seconds: float,
        max_bytes: int,
    ) -> JsonObject:
        async with self._turn(host):
            return await self._servers.get_json(
                host, path, query=query, timeout=seconds, max_bytes=max_bytes
            )

    @asynccontextmanager
    async def _turn(self, host: ServerName) -> AsyncIterator[None]:
        """Wait until one more question may be open to a server, then to all of them."""
        to_host = self._open_to.setdefault(host, DeferredSemaphore(AT_ONCE_TO_ONE))
        await to_host.acquire()
        try:
            await self._open.acquire()
            try:
                yield
            finally:
                self._open.release()
        finally:
            to_host.release()
            if to_host.tokens == to_host.limit and self._open_to.get(host) is to_host:
                del self._open_to[host]

    async def _events(
        self,
        host: ServerName,
        room: RoomOf,
        answer: JsonObject,
        name: str,
        *,
        most: int | None = None,
    ) -> list[Event]:
        return await self._checked(room, _list(host, answer, name)[:most], None)

    async def _checked(
        self, room: RoomOf, pdus: Sequence[Any], wanted: frozenset[EventId] | None
    ) -> list[Event]:
        objects = [(pdu, room.version) for pdu in pdus if isinstance(pdu, dict)]
        read = [
            event
            for event in await self._checks.read(objects)
            if isinstance(event, Event)
            and event.room_id == room.room_id
            and (wanted is None or event.event_id in wanted)
        ]
        once = {event.event_id: event for event in read}
        checked = await self._checks.verified(list(once.values()))
        return [event for event in checked if isinstance(event, Event)]


def _list(host: ServerName, answer: JsonObject, name: str) -> list[Any]:
    found = answer.get(name)
    if not isinstance(found, list):
        raise DestinationUnavailable(host, f"the answer lacks {name}")
    return found


def _ids(host: ServerName, answer: JsonObject, name: str) -> frozenset[EventId]:
    return frozenset(EventId(each) for each in _list(host, answer, name) if isinstance(each, str))
