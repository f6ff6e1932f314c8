"""Encrypted rooms of people whose clients are of different kinds."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Protocol


class Person(Protocol):
    """Somebody with one encrypting client of either kind; see `EncryptedPerson`, `JsPerson`."""

    @property
    def user_id(self) -> str: ...
    @property
    def device_id(self) -> str: ...

    async def create_room(self) -> str: ...
    async def invite(self, room_id: str, user_id: str) -> None: ...
    async def join(self, room_id: str) -> None: ...
    async def leave(self, room_id: str) -> None: ...
    async def say(self, room_id: str, body: str) -> str: ...
    async def read(self, room_id: str, event_id: str) -> str: ...
    async def decipher(self, event: dict[str, Any]) -> str | None: ...
    async def meet(self, room_id: str, user_id: str, device_id: str) -> None: ...
    async def miss(self, room_id: str, user_id: str) -> None: ...


async def open_room(host: Person, *guests: Person) -> str:
    """An encrypted room of these people; returns its id."""
    room_id = await host.create_room()
    for guest in guests:
        await host.invite(room_id, guest.user_id)
        await guest.join(room_id)
    return room_id


async def meet_each_other(room_id: str, *devices: Person) -> None:
    """Wait until each of these devices knows the keys of all the others."""
    for one, other in permutations(devices, 2):
        await one.meet(room_id, other.user_id, other.device_id)
