"""Closing accounts."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import UnknownToken, UserInUse
from tests.homeserver.accounts import AccountsServer


async def test_a_closed_account_has_no_sessions_and_no_rooms(server: AccountsServer) -> None:
    phone = await server.register("alice")
    alice = phone.user_id
    await server.authentication.authenticate(phone.access_token)

    await server.deactivation.deactivate(alice, erase=True)

    assert server.authentication.remembered(phone.access_token) is None
    with pytest.raises(UnknownToken):
        await server.authentication.authenticate(phone.access_token)
    assert server.departures.left == [alice]
    assert server.events.taken() == [
        ("sessions_ended", alice, [phone.device_id]),
        ("device_deleted", alice, [phone.device_id]),
        ("user_deactivated", alice, True),
    ]
    with pytest.raises(UserInUse):
        await server.accounts.require_available(alice)


async def test_leaving_the_rooms_is_completed_after_an_interruption(
    server: AccountsServer,
) -> None:
    alice = (await server.register("alice")).user_id
    server.departures.broken = True
    with pytest.raises(ConnectionError):
        await server.deactivation.deactivate(alice, erase=False)

    server.departures.broken = False
    await server.deactivation.resume()
    await server.deactivation.resume()

    assert server.departures.left == [alice]
