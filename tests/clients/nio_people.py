"""People who chat through matrix-nio."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import nio  # type: ignore[import-untyped]

T = TypeVar("T")
EventType = TypeVar("EventType", bound=nio.Event)

PASSWORD = "quiet water runs deep"
POLLS = 20
"""How many polls, of half a second at most, an expected change may take."""

PATIENCE = 10.0
"""Seconds that somebody who syncs all the time waits for an expected change."""

WHOLE_ABSENCE = {"room": {"timeline": {"limit": 50}}}
"""A filter that lets one sync bring all that was said while somebody was away."""


def expect(answer: object, answer_type: type[T]) -> T:
    """The answer, when it is not one of nio's error responses."""
    assert isinstance(answer, answer_type), answer
    return answer


class Person:
    """Somebody with one matrix-nio client, who remembers which events have arrived."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.client = client
        self._arrived: list[nio.Event] = []
        client.add_event_callback(self._keep, nio.Event)

    async def _keep(self, room: nio.MatrixRoom, event: nio.Event) -> None:
        self._arrived.append(event)

    async def sync_until(self, found: Callable[[], T | None], what: str) -> T:
        """Sync until ``found`` returns something."""
        for _ in range(POLLS):
            if (result := found()) is not None:
                return result
            expect(await self.client.sync(timeout=500), nio.SyncResponse)
        raise AssertionError(f"{self.client.user_id} never saw {what}")

    async def receives(self, event_id: str, event_type: type[EventType]) -> EventType:
        """The event, once it has come over /sync."""

        def found() -> EventType | None:
            return next(
                (
                    event
                    for event in self._arrived
                    if event.event_id == event_id and isinstance(event, event_type)
                ),
                None,
            )

        return await self.sync_until(found, f"{event_type.__name__} {event_id}")

    async def send(
        self, room_id: str, content: dict[str, Any], event_type: str = "m.room.message"
    ) -> str:
        answer = await self.client.room_send(room_id, event_type, content)
        event_id: str = expect(answer, nio.RoomSendResponse).event_id
        return event_id

    async def say(self, room_id: str, body: str) -> str:
        return await self.send(room_id, {"msgtype": "m.text", "body": body})

    def room(self, room_id: str) -> nio.MatrixRoom:
        return self.client.rooms[room_id]


class EncryptedPerson(Person):
    """Somebody whose client encrypts, and syncs in the background while it is online.

    They send to everybody's devices, verified or not, as most clients do.
    """

    def __init__(self, client: nio.AsyncClient) -> None:
        super().__init__(client)
        self._syncing: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._has_synced = False
        client.add_response_callback(self._wake)

    @property
    def user_id(self) -> str:
        user_id: str = self.client.user_id
        return user_id

    @property
    def device_id(self) -> str:
        device_id: str = self.client.device_id
        return device_id

    async def come_online(self) -> None:
        """Start syncing; returns after the first sync, with the keys of the device published."""
        self._has_synced = False
        syncing = self.client.sync_forever(timeout=30_000, sync_filter=WHOLE_ABSENCE)
        self._syncing = asyncio.create_task(syncing)
        self._syncing.add_done_callback(lambda _: self._news.set())
        await self.sync_until(
            lambda: (self._has_synced and self.client.olm.account.shared) or None, "the first sync"
        )

    async def go_offline(self) -> None:
        """Stop syncing, unless that has been done already."""
        if self._syncing is not None:
            self._syncing.cancel()
            with suppress(asyncio.CancelledError):
                await self._syncing
            self._syncing = None

    async def sync_until(self, found: Callable[[], T | None], what: str) -> T:
        """Wait until what came over the background sync lets ``found`` return something."""
        assert self._syncing is not None
        try:
            async with asyncio.timeout(PATIENCE):
                while (result := found()) is None:
                    if self._syncing.done():
                        self._syncing.result()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self.user_id} never saw {what}") from None
        return result

    async def create_room(self) -> str:
        """An encrypted room; returns its id."""
        encryption = nio.EnableEncryptionBuilder().as_dict()
        answer = await self.client.room_create(initial_state=[encryption])
        room_id: str = expect(answer, nio.RoomCreateResponse).room_id
        await self._in_room(room_id)
        return room_id

    async def invite(self, room_id: str, user_id: str) -> None:
        expect(await self.client.room_invite(room_id, user_id), nio.RoomInviteResponse)

    async def join(self, room_id: str) -> None:
        """Follow an invitation, once it comes over /sync."""
        await self.sync_until(
            lambda: self.client.invited_rooms.get(room_id), f"the invitation to {room_id}"
        )
        expect(await self.client.join(room_id), nio.JoinResponse)
        await self._in_room(room_id)

    async def leave(self, room_id: str) -> None:
        expect(await self.client.room_leave(room_id), nio.RoomLeaveResponse)

    async def send(
        self, room_id: str, content: dict[str, Any], event_type: str = "m.room.message"
    ) -> str:
        answer = await self.client.room_send(
            room_id, event_type, content, ignore_unverified_devices=True
        )
        event_id: str = expect(answer, nio.RoomSendResponse).event_id
        return event_id

    async def read(self, room_id: str, event_id: str) -> str:
        """The text of an encrypted message that comes over /sync."""
        event = await self.receives(event_id, nio.RoomMessageText)
        assert event.decrypted
        body: str = event.body
        return body

    async def decipher(self, event: dict[str, Any]) -> str | None:
        """The text of an encrypted message, if its key is known."""
        message = nio.MegolmEvent.from_dict(event)
        assert isinstance(message, nio.MegolmEvent), message
        try:
            body: str = self.client.decrypt_event(message).body
        except nio.EncryptionError:
            return None
        return body

    async def meet(self, room_id: str, user_id: str, device_id: str) -> None:
        """Wait until a user is seen in a room, and the keys of a device of theirs are known."""
        await self.sync_until(
            lambda: self.device(user_id, device_id) if user_id in self._members(room_id) else None,
            f"{user_id} with {device_id}",
        )

    async def miss(self, room_id: str, user_id: str) -> None:
        """Wait until a user is seen to have left a room."""
        await self.sync_until(
            lambda: True if user_id not in self._members(room_id) else None,
            f"{user_id} leaving",
        )

    def device(self, user_id: str, device_id: str) -> nio.crypto.OlmDevice | None:
        """Somebody's device, if its keys are known."""
        devices = self.client.device_store.active_user_devices(user_id)
        return next((device for device in devices if device.id == device_id), None)

    async def _in_room(self, room_id: str) -> None:
        await self.sync_until(lambda: self.client.rooms.get(room_id), f"room {room_id}")

    def _members(self, room_id: str) -> dict[str, nio.MatrixUser]:
        members: dict[str, nio.MatrixUser] = self.room(room_id).users
        return members

    async def _wake(self, response: nio.Response) -> None:
        self._has_synced |= isinstance(response, nio.SyncResponse)
        self._news.set()


class Lobby:
    """Where people come in with clients that encrypt.

    Their keys are in memory, or in the directory ``keys`` to survive the program.
    """

    def __init__(self, homeserver: str) -> None:
        self._homeserver = homeserver
        self._people: list[EncryptedPerson] = []

    async def register(self, name: str, *, keys: Path | None = None) -> EncryptedPerson:
        """Somebody new, online."""
        client = self._client(keys=keys)
        answer = await client.register(f"{name}-{uuid.uuid4().hex[:8]}", PASSWORD)
        expect(answer, nio.RegisterResponse)
        return await self._enter(client)

    async def log_in(self, user_id: str) -> EncryptedPerson:
        """A new device of somebody's, online."""
        client = self._client(user_id)
        expect(await client.login(PASSWORD), nio.LoginResponse)
        return await self._enter(client)

    async def come_back(self, person: EncryptedPerson, *, keys: Path) -> EncryptedPerson:
        """The same device, in a program that has been started again."""
        client = self._client(keys=keys)
        client.restore_login(person.user_id, person.device_id, person.client.access_token)
        return await self._enter(client)

    async def close(self) -> None:
        for person in self._people:
            await person.go_offline()
            await person.client.close()

    async def _enter(self, client: nio.AsyncClient) -> EncryptedPerson:
        person = EncryptedPerson(client)
        self._people.append(person)
        await person.come_online()
        return person

    def _client(self, user_id: str = "", *, keys: Path | None = None) -> nio.AsyncClient:
        store = nio.store.SqliteStore if keys else nio.store.SqliteMemoryStore
        return nio.AsyncClient(
            self._homeserver,
            user_id,
            store_path=str(keys or ""),
            config=nio.AsyncClientConfig(store=store, store_sync_tokens=True),
        )
