"""The users, devices and rooms of a scenario."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import attrs

from synctest.accounts import Registration, log_in
from synctest.client import Client
from synctest.connection import Homeserver
from synctest.process import ServerProcess


@attrs.frozen
class Site:
    """The homeserver under test; ``process`` is None when it is not ours to stop."""

    url: str
    register: Registration
    process: ServerProcess | None = None

    @property
    def own_process(self) -> ServerProcess:
        """The process, for scenarios that control it."""
        if self.process is None:
            raise ValueError("this scenario needs a server that the harness has started")
        return self.process


@attrs.frozen
class Cast:
    """Users with several devices each, all of them joined to all rooms."""

    users: Sequence[Sequence[Client]]
    rooms: Sequence[str]

    @property
    def devices(self) -> list[Client]:
        return [device for devices in self.users for device in devices]


async def gather_cast(
    homeserver: Homeserver, register: Registration, *, users: int, devices: int, rooms: int
) -> Cast:
    """Register users, log their devices in, and bring all of them into private rooms."""
    run = uuid.uuid4().hex[:8]
    firsts = await asyncio.gather(
        *(register(homeserver, f"{run}-user{number}") for number in range(users))
    )
    company = [
        [first, *[await log_in(homeserver, first.user_id) for _ in range(devices - 1)]]
        for first in firsts
    ]
    room_ids = [await open_room(company) for _ in range(rooms)]
    return Cast(company, room_ids)


async def open_room(users: Sequence[Sequence[Client]]) -> str:
    """A new private room of the first user, which all the others join; returns its id."""
    host, *guests = (devices[0] for devices in users)
    room_id = await host.create_room()
    for guest in guests:
        await host.invite(room_id, guest.user_id)
        await guest.join(room_id)
    return room_id
