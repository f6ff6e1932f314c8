"""The extension e2ee."""

from __future__ import annotations

import pytest
import pytest_asyncio

from homeserver.sync.sliding.extensions.encryption import EncryptionExtension
from tests.deferreds import on_event_loop
from tests.homeserver.encryption import ClientDevice, EncryptionServer, one_time_keys
from tests.homeserver.sync.sliding.extension_rounds import DeviceAsking

CURVE = "signed_curve25519"
NONE_LEFT = {"device_one_time_keys_count": {CURVE: 0}, "device_unused_fallback_key_types": []}


@pytest_asyncio.fixture
async def phone(encryption: EncryptionServer) -> ClientDevice:
    return await on_event_loop(encryption.device("alice"))


@pytest_asyncio.fixture
async def desk(encryption: EncryptionServer) -> ClientDevice:
    return await on_event_loop(encryption.device("bob"))


@pytest.fixture
def asking(encryption: EncryptionServer, phone: ClientDevice) -> DeviceAsking:
    return DeviceAsking(EncryptionExtension(encryption.updates), phone)


async def test_counts_are_told_at_first_and_when_they_change(
    asking: DeviceAsking, phone: ClientDevice
) -> None:
    assert await asking.turn() == NONE_LEFT
    assert await asking.turn() is None
    assert not await asking.has_news()
    await phone.uploads(
        one_time_keys=one_time_keys("1", "2"), fallback_keys=one_time_keys("F", fallback=True)
    )
    assert await asking.has_news()
    expected = {
        "device_one_time_keys_count": {CURVE: 2},
        "device_unused_fallback_key_types": [CURVE],
    }
    assert await asking.look() == expected
    assert await asking.turn() == expected
    assert await asking.turn() is None


async def test_answers_to_anything_else_tell_the_counts_too(asking: DeviceAsking) -> None:
    await asking.turn()
    assert await asking.standing() == NONE_LEFT


async def test_changed_devices_of_those_one_shares_a_room_with(
    encryption: EncryptionServer, asking: DeviceAsking, phone: ClientDevice, desk: ClientDevice
) -> None:
    room = await encryption.room(phone, desk)
    await asking.turn()
    await desk.uploads(device_keys=desk.identity_keys())
    assert await asking.has_news()
    lists = {"device_lists": {"changed": [desk.user_id], "left": []}}
    assert await asking.look() == {**lists, **NONE_LEFT}
    assert await asking.turn() == {**lists, **NONE_LEFT}
    assert await asking.turn() is None
    await desk.leaves(room)
    left = await asking.turn()
    assert left is not None
    assert left["device_lists"] == {"changed": [], "left": [desk.user_id]}


async def test_whoever_begins_asks_for_everyone_anyway(
    encryption: EncryptionServer, asking: DeviceAsking, phone: ClientDevice, desk: ClientDevice
) -> None:
    await encryption.room(phone, desk)
    await desk.uploads(device_keys=desk.identity_keys())
    assert await asking.turn() == NONE_LEFT
