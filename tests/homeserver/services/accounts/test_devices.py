"""A user's devices and the ends of their sessions."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import InvalidParam, NotFound, UnknownToken
from homeserver.domain.identifiers import DeviceId
from tests.homeserver.accounts import AccountsServer

NO_DEVICE = DeviceId("NO_DEVICE")


async def test_a_renamed_device_is_told_of(server: AccountsServer) -> None:
    alice = await server.register("alice")

    await server.devices.update(alice.user_id, alice.device_id, "My phone")

    assert (await server.devices.get(alice.user_id, alice.device_id)).display_name == "My phone"
    assert server.events.taken() == [("device_changed", alice.user_id, alice.device_id)]


async def test_an_update_without_a_name_changes_nothing(server: AccountsServer) -> None:
    alice = await server.register("alice")
    await server.devices.update(alice.user_id, alice.device_id, "My phone")
    server.events.taken()

    await server.devices.update(alice.user_id, alice.device_id, None)

    assert (await server.devices.get(alice.user_id, alice.device_id)).display_name == "My phone"
    assert server.events.taken() == []


async def test_others_devices_are_not_found(server: AccountsServer) -> None:
    alice = await server.register("alice")
    bob = await server.register("bob")

    with pytest.raises(NotFound):
        await server.devices.get(alice.user_id, bob.device_id)
    for name in ("My phone", None):
        with pytest.raises(NotFound):
            await server.devices.update(alice.user_id, bob.device_id, name)


@pytest.mark.parametrize("name", ["x" * 256, "a\0b"])
async def test_malformed_names_are_refused(server: AccountsServer, name: str) -> None:
    alice = await server.register("alice")

    with pytest.raises(InvalidParam):
        await server.devices.update(alice.user_id, alice.device_id, name)

    assert (await server.devices.get(alice.user_id, alice.device_id)).display_name is None


async def test_a_deleted_device_is_logged_out(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)
    for session in (phone, tablet):
        await server.authentication.authenticate(session.access_token)

    await server.devices.delete(phone.user_id, [phone.device_id, NO_DEVICE])

    assert server.authentication.remembered(phone.access_token) is None
    with pytest.raises(UnknownToken) as caught:
        await server.authentication.authenticate(phone.access_token)
    assert "soft_logout" not in caught.value.body()
    assert server.authentication.remembered(tablet.access_token) is not None
    assert server.events.taken() == [
        ("sessions_ended", phone.user_id, [phone.device_id]),
        ("device_deleted", phone.user_id, [phone.device_id]),
    ]


async def test_deleting_no_device_tells_nobody(server: AccountsServer) -> None:
    alice = await server.register("alice")

    await server.devices.delete(alice.user_id, [NO_DEVICE])

    assert server.events.taken() == []


async def test_all_devices_but_one_are_logged_out(server: AccountsServer) -> None:
    phone = await server.register("alice")
    tablet = await server.log_in(phone.user_id)
    bob = await server.register("bob")
    for session in (phone, tablet, bob):
        await server.authentication.authenticate(session.access_token)

    await server.devices.delete_all(phone.user_id, keep=phone.device_id)

    assert server.authentication.remembered(phone.access_token) is not None
    assert server.authentication.remembered(tablet.access_token) is None
    assert server.authentication.remembered(bob.access_token) is not None
    assert [device.device_id for device in await server.devices.list(phone.user_id)] == [
        phone.device_id
    ]
