"""Delayed events over real rooms, services and stores.

server = CallsServer(sqlite_at(path))
alice = await server.resident("alice")
delay_id = await says_later(alice, room_id, "bye")
server.clock.advance(8)
await server.finalised(delay_id)
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from homeserver.api.calls.delayed_events import DelayedEventsApi
from homeserver.api.messages.sending import SendingApi
from homeserver.api.rooms.membership import MembershipApi
from homeserver.api.rooms.room_creation import RoomCreationApi
from homeserver.api.rooms.state import StateApi
from homeserver.domain.canonical_json import JsonObject
from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.routes import RateClass
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.calls.delayed_events import DelayedEvent
from homeserver.ports.database import Database
from homeserver.services.calls.delay_limits import DelayLimits
from homeserver.services.calls.delayed_events import DelayedEvents
from homeserver.services.calls.delayed_sending import DelayedSending
from homeserver.services.calls.delivery import Delivery
from homeserver.services.calls.due_events import DueEvents
from homeserver.services.rooms.forgetting import Forgetting
from storage.accounts.accounts import SqlAccountStore
from storage.calls.delayed_events import SqlDelayedEventStore
from tests.deferreds import on_event_loop
from tests.http_requests import Response, TestClient
from tests.rooms_fixture import Engine, OpenEngine, Person, RoomsServer, quoted

MSC4140 = "/_matrix/client/unstable/org.matrix.msc4140"
MSC4486 = "/_matrix/client/unstable/org.matrix.msc4486"
LIMITS = DelayLimits(max_delay_ms=86_400_000, max_scheduled=5)
_PATIENCE = 2000

_numbers = itertools.count(1)


class CallsServer(RoomsServer):
    """Rooms in which events can be delayed."""

    def __init__(
        self,
        open_engine: OpenEngine,
        through: Callable[[Engine], Database] = lambda engine: engine,
    ) -> None:
        super().__init__(open_engine, through)
        self.accounts = SqlAccountStore(self.log)
        self.store = SqlDelayedEventStore(self.log)
        self.rates = RateLimiter({RateClass.MESSAGE: Rate(10, 50)}, self.clock.monotonic)
        sending = DelayedSending(
            self.accounts,
            self.directory,
            self.messages,
            self.state,
            lambda user_id: self.rates.spend(RateClass.MESSAGE, user_id),
        )
        delivery = Delivery(self.store, sending, self.clock)
        self.due_events = DueEvents(self.store, delivery, self.clock)
        self.delayed = DelayedEvents(
            self.store,
            self.due_events,
            self.clock,
            LIMITS,
            lambda: f"delay_{next(_numbers)}-x",
        )
        self.client = TestClient(
            [
                DelayedEventsApi(self.delayed, self.delayed, delivery),
                MembershipApi(
                    self.entrances,
                    self.memberships,
                    self.aliases,
                    Forgetting(self.directory, self.membership_store, self.log),
                ),
                RoomCreationApi(self.creation),
                SendingApi(self.messages, self.redactions, self.delayed),
                StateApi(self.state, self.state_reading, self.delayed),
            ],
            self.tokens,
            RateLimiter({}, self.clock.monotonic),
            self.clock,
        )

    async def close(self) -> None:
        await on_event_loop(self.due_events.stop())
        await super().close()

    async def resident(self, name: str, *, is_suspended: bool = False) -> Person:
        """Somebody with an account."""
        person = self.person(name, is_suspended=is_suspended)
        if await self.accounts.account(person.user_id) is None:
            await self.accounts.register(NewAccount(person.user_id, self.clock.now_ms()), None)
        return person

    async def delayed_event(self, delay_id: str) -> DelayedEvent:
        """What is known of a delayed event."""
        found = await self.store.event(delay_id)
        assert found is not None
        return found

    async def finalised(self, delay_id: str) -> DelayedEvent:
        """A delayed event, once it has come to its end."""
        for _ in range(_PATIENCE):
            found = await self.delayed_event(delay_id)
            if found.finalised is not None:
                return found
            await asyncio.sleep(0.002)
        raise AssertionError("it stays scheduled")

    async def bodies(self, room_id: str) -> list[Any]:
        """What was said in a room, in order."""
        return [
            stored.event.content.get("body")
            for stored in await self.timeline(room_id)
            if stored.event.type == "m.room.message"
        ]


async def delays(
    person: Person,
    room_id: str,
    content: JsonObject,
    delay_ms: object,
    *,
    type: str = "m.room.message",
    txn_id: str | None = None,
) -> Response:
    """Ask to send a message later."""
    query = urlencode({"org.matrix.msc4140.delay": delay_ms})
    txn_id = txn_id or f"delayed{next(_numbers)}"
    return await person.put(f"/rooms/{quoted(room_id)}/send/{type}/{txn_id}?{query}", content)


async def delays_state(
    person: Person, room_id: str, type: str, state_key: str, content: JsonObject, delay_ms: object
) -> Response:
    """Ask to set state later."""
    query = urlencode({"org.matrix.msc4140.delay": delay_ms})
    path = f"/rooms/{quoted(room_id)}/state/{type}/{quoted(state_key)}?{query}"
    return await person.put(path, content)


async def says_later(person: Person, room_id: str, body: str, delay_ms: int = 8000) -> str:
    """Schedule a message; its delay ID."""
    response = await delays(person, room_id, {"msgtype": "m.text", "body": body}, delay_ms)
    assert response.status == 200, response.json
    delay_id: str = response.json["delay_id"]
    return delay_id


async def acts(server: CallsServer, delay_id: str, action: str) -> Response:
    """Do something with a delayed event, as a service without an account."""
    return await server.client.request("POST", f"{MSC4140}/delayed_events/{delay_id}/{action}")
