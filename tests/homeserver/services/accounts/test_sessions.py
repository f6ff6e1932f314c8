"""Opening sessions and refreshing them."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import InvalidParam, UnknownToken, UserDeactivated, UserLocked
from homeserver.domain.identifiers import DeviceId
from homeserver.ports.accounts.accounts import Account
from homeserver.services.accounts.session_tokens import SessionRequest, parse_session_request
from tests.homeserver.accounts import LIFETIMES, AccountsServer


async def test_every_session_has_a_device_and_tokens_of_its_own(server: AccountsServer) -> None:
    first = await server.register("alice")
    second = await server.log_in(first.user_id)

    assert first.device_id != second.device_id
    assert first.access_token != second.access_token
    assert len(await server.device_store.devices(first.user_id)) == 2
    for session in (first, second):
        requester = await server.authentication.authenticate(session.access_token)
        assert requester.device_id == session.device_id


async def test_tokens_are_not_stored_as_they_are(server: AccountsServer) -> None:
    session = await server.register("alice", with_refresh_token=True)
    assert session.refresh_token is not None

    for table in ("access_tokens", "refresh_tokens"):
        [row] = server.select(table)
        assert session.access_token not in map(str, row)
        assert session.refresh_token not in map(str, row)


async def test_a_new_device_is_told_of(server: AccountsServer) -> None:
    alice = (await server.register("alice")).user_id

    request = SessionRequest(DeviceId("PHONE"), "My phone")
    await server.sessions.open(Account(alice), request)

    assert server.events.taken() == [("device_changed", alice, "PHONE")]
    device = await server.devices.get(alice, DeviceId("PHONE"))
    assert device.display_name == "My phone"


async def test_a_known_device_keeps_its_name_and_loses_its_tokens(
    server: AccountsServer,
) -> None:
    alice = (await server.register("alice")).user_id
    old = await server.log_in(alice, "PHONE", with_refresh_token=True)
    await server.authentication.authenticate(old.access_token)
    await server.devices.update(alice, old.device_id, "My phone")
    server.events.taken()

    request = SessionRequest(DeviceId("PHONE"), "Another name")
    await server.sessions.open(Account(alice), request)

    assert server.events.taken() == [("sessions_ended", alice, ["PHONE"])]
    assert (await server.devices.get(alice, DeviceId("PHONE"))).display_name == "My phone"
    assert server.authentication.remembered(old.access_token) is None
    with pytest.raises(UnknownToken):
        await server.authentication.authenticate(old.access_token)
    assert old.refresh_token is not None
    with pytest.raises(UnknownToken):
        await server.sessions.refresh(old.refresh_token)


async def test_the_same_device_id_of_another_user_is_another_device(
    server: AccountsServer,
) -> None:
    alice = await server.log_in((await server.register("alice")).user_id, "PHONE")
    await server.log_in((await server.register("bob")).user_id, "PHONE")

    await server.authentication.authenticate(alice.access_token)


async def test_locked_and_deactivated_accounts_get_no_session(server: AccountsServer) -> None:
    alice = (await server.register("alice")).user_id

    with pytest.raises(UserLocked):
        await server.sessions.open(Account(alice, is_locked=True), SessionRequest())
    with pytest.raises(UserDeactivated):
        await server.sessions.open(Account(alice, is_deactivated=True), SessionRequest())

    assert len(await server.device_store.devices(alice)) == 1


async def test_a_refresh_keeps_the_device(server: AccountsServer) -> None:
    old = await server.register("alice", with_refresh_token=True)
    assert old.refresh_token is not None
    assert old.expires_in_ms == LIFETIMES.access_ms
    server.clock.advance(LIFETIMES.access_ms / 1000 + 1)

    new = await server.sessions.refresh(old.refresh_token)

    assert new.device_id == old.device_id
    assert new.refresh_token not in (None, old.refresh_token)
    assert new.expires_in_ms == LIFETIMES.access_ms
    requester = await server.authentication.authenticate(new.access_token)
    assert requester.device_id == old.device_id
    assert len(await server.device_store.devices(old.user_id)) == 1
    assert server.events.taken() == []


async def test_a_client_that_lost_the_answer_refreshes_again(server: AccountsServer) -> None:
    old = await server.register("alice", with_refresh_token=True)
    assert old.refresh_token is not None
    lost = await server.sessions.refresh(old.refresh_token)

    again = await server.sessions.refresh(old.refresh_token)

    await server.authentication.authenticate(again.access_token)
    with pytest.raises(UnknownToken):
        await server.sessions.refresh(old.refresh_token)
    assert lost.access_token != again.access_token


async def test_the_use_of_a_new_refresh_token_revokes_the_old_one(server: AccountsServer) -> None:
    first = await server.register("alice", with_refresh_token=True)
    assert first.refresh_token is not None
    second = await server.sessions.refresh(first.refresh_token)
    assert second.refresh_token is not None
    await server.sessions.refresh(second.refresh_token)

    with pytest.raises(UnknownToken) as caught:
        await server.sessions.refresh(first.refresh_token)
    assert "soft_logout" not in caught.value.body()


async def test_an_expired_refresh_token_is_a_soft_logout(server: AccountsServer) -> None:
    session = await server.register("alice", with_refresh_token=True)
    assert session.refresh_token is not None
    assert LIFETIMES.refresh_ms is not None
    server.clock.advance(LIFETIMES.refresh_ms / 1000)

    with pytest.raises(UnknownToken) as caught:
        await server.sessions.refresh(session.refresh_token)
    assert caught.value.body()["soft_logout"] is True


async def test_a_locked_account_is_not_refreshed(server: AccountsServer) -> None:
    session = await server.register("alice", with_refresh_token=True)
    assert session.refresh_token is not None
    await server.account_store.set_locked(session.user_id, True)

    with pytest.raises(UserLocked):
        await server.sessions.refresh(session.refresh_token)

    assert server.rows("refresh_tokens") == 1


async def test_an_access_token_refreshes_nothing(server: AccountsServer) -> None:
    session = await server.register("alice", with_refresh_token=True)

    with pytest.raises(UnknownToken):
        await server.sessions.refresh(session.access_token)


@pytest.mark.parametrize("device_id", ["", "x" * 256, "a\0b"])
def test_malformed_device_ids_are_refused(device_id: str) -> None:
    with pytest.raises(InvalidParam):
        parse_session_request(device_id, None, False)


@pytest.mark.parametrize("name", ["x" * 256, "a\0b"])
def test_malformed_device_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidParam):
        parse_session_request(None, name, False)
