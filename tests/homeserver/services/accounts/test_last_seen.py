"""Sightings of devices while the database is away."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.domain.requester import Requester
from homeserver.ports.accounts.devices import Device, DeviceSeen
from homeserver.ports.database import DatabaseDown
from homeserver.services.accounts.last_seen import LastSeen
from tests.clock import FakeClock

ALICE = UserId("@alice:hs")
PHONE = Requester(ALICE, DeviceId("PHONE"), 1)
TABLET = Requester(ALICE, DeviceId("TABLET"), 2)


class UnsteadyDevices:
    """A store whose database is sometimes down."""

    def __init__(self) -> None:
        self.is_down = False
        self.writes = 0
        self.written: list[DeviceSeen] = []

    async def seen(self, sightings: Sequence[DeviceSeen]) -> None:
        if self.is_down:
            raise DatabaseDown("gone")
        self.writes += 1
        self.written += sightings

    async def devices(self, user_id: UserId) -> list[Device]:
        return []

    async def device(self, user_id: UserId, device_id: DeviceId) -> Device | None:
        return None

    async def rename(self, user_id: UserId, device_id: DeviceId, display_name: str) -> bool:
        return False

    async def delete(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> list[DeviceId]:
        return []

    async def delete_all(self, user_id: UserId, keep: DeviceId | None) -> list[DeviceId]:
        return []


def test_many_devices_are_written_together() -> None:
    store, clock = UnsteadyDevices(), FakeClock()
    last_seen = LastSeen(store, clock)

    last_seen.note(PHONE, "192.0.2.1", "p", 1)
    last_seen.note(TABLET, "192.0.2.1", "t", 2)
    last_seen.note(PHONE, "192.0.2.2", "p", 3)
    clock.advance(60)

    assert store.written == [
        DeviceSeen(ALICE, DeviceId("PHONE"), 3, "192.0.2.2", "p"),
        DeviceSeen(ALICE, DeviceId("TABLET"), 2, "192.0.2.1", "t"),
    ]


def test_a_thousand_requests_take_one_write_a_minute() -> None:
    store, clock = UnsteadyDevices(), FakeClock()
    last_seen = LastSeen(store, clock)
    for number in range(1000):
        last_seen.note(PHONE if number % 2 else TABLET, "192.0.2.1", "p", number)
        clock.advance(0.1)
    assert store.writes == 1
    clock.advance(60)
    assert store.writes == 2
    assert {(seen.device_id, seen.ts) for seen in store.written[-2:]} == {
        ("TABLET", 998),
        ("PHONE", 999),
    }


def test_nothing_is_written_while_nobody_is_seen() -> None:
    store, clock = UnsteadyDevices(), FakeClock()
    last_seen = LastSeen(store, clock)
    last_seen.note(PHONE, "192.0.2.1", "p", 1)
    clock.advance(60)
    store.written.clear()

    clock.advance(3600)

    assert store.written == []


def test_what_could_not_be_written_is_written_later() -> None:
    store, clock = UnsteadyDevices(), FakeClock()
    last_seen = LastSeen(store, clock)
    store.is_down = True
    last_seen.note(PHONE, "192.0.2.1", "p", 1)
    last_seen.note(TABLET, "192.0.2.1", "t", 2)
    clock.advance(60)

    store.is_down = False
    last_seen.note(TABLET, "192.0.2.1", "t", 9)
    clock.advance(60)

    assert [(seen.device_id, seen.ts) for seen in store.written] == [("PHONE", 1), ("TABLET", 9)]
