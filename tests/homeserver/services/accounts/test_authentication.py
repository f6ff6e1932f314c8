"""Who makes a request."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.errors import UnknownToken, UserDeactivated, UserLocked
from homeserver.domain.requester import Requester
from homeserver.ports.accounts.session_tokens import NewSession, TokenKey
from homeserver.ports.accounts.sessions import AccessSession, Opened, RefreshSession, SessionStore
from homeserver.services.accounts.authentication import Authentication
from tests.homeserver.accounts import LIFETIMES, AccountsServer


class SlowSessions:
    """A store whose answers about access tokens wait until they are let go."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.gate: Deferred[None] = Deferred()

    async def by_access_token(self, key: TokenKey) -> AccessSession | None:
        found = await self._store.by_access_token(key)
        await self.gate
        return found

    async def by_refresh_token(self, key: TokenKey) -> RefreshSession | None:
        return await self._store.by_refresh_token(key)

    async def open(self, session: NewSession) -> Opened:
        return await self._store.open(session)

    async def refresh(self, refresh_token_id: int, session: NewSession) -> list[bytes] | None:
        return await self._store.refresh(refresh_token_id, session)

    async def confirm(self, refresh_token_id: int) -> list[bytes]:
        return await self._store.confirm(refresh_token_id)

    async def revoke(self, token_id: int) -> None:
        await self._store.revoke(token_id)


async def test_a_token_is_read_once_and_remembered(server: AccountsServer) -> None:
    session = await server.register("alice")
    assert server.authentication.remembered(session.access_token) is None

    requester = await server.authentication.authenticate(session.access_token)

    token_id = TokenKey.of(session.access_token).id
    assert requester == Requester(session.user_id, session.device_id, token_id)
    assert server.authentication.remembered(session.access_token) == requester


async def test_an_unknown_token_is_refused(server: AccountsServer) -> None:
    session = await server.register("alice", with_refresh_token=True)
    assert session.refresh_token is not None

    for token in ("", "unknown", session.refresh_token, session.access_token + "x"):
        with pytest.raises(UnknownToken) as caught:
            await server.authentication.authenticate(token)
        assert "soft_logout" not in caught.value.body()


async def test_an_expired_token_is_a_soft_logout(server: AccountsServer) -> None:
    session = await server.register("alice", with_refresh_token=True)
    await server.authentication.authenticate(session.access_token)

    server.clock.advance(LIFETIMES.access_ms / 1000 - 0.001)
    assert server.authentication.remembered(session.access_token) is not None
    server.clock.advance(0.001)

    assert server.authentication.remembered(session.access_token) is None
    with pytest.raises(UnknownToken) as caught:
        await server.authentication.authenticate(session.access_token)
    assert caught.value.body()["soft_logout"] is True


async def test_a_token_without_refresh_never_expires(server: AccountsServer) -> None:
    session = await server.register("alice")
    await server.authentication.authenticate(session.access_token)

    server.clock.advance(10 * 365 * 86_400)

    assert server.authentication.remembered(session.access_token) is not None


async def test_what_an_account_may_do_comes_with_the_token(server: AccountsServer) -> None:
    admin = await server.register("admin", is_admin=True)
    await server.account_store.set_suspended(admin.user_id, True)

    requester = await server.authentication.authenticate(admin.access_token)

    assert requester.is_admin
    assert requester.is_suspended
    assert not requester.is_guest


async def test_locked_and_deactivated_accounts_are_refused(server: AccountsServer) -> None:
    alice = await server.register("alice")
    await server.account_store.set_locked(alice.user_id, True)
    with pytest.raises(UserLocked) as caught:
        await server.authentication.authenticate(alice.access_token)
    assert caught.value.body()["soft_logout"] is True

    await server.account_store.deactivate(alice.user_id, erase=False)
    with pytest.raises(UnknownToken):
        await server.authentication.authenticate(alice.access_token)


async def test_a_session_opened_while_the_account_was_closed_is_refused(
    server: AccountsServer,
) -> None:
    alice = await server.register("alice")
    await server.account_store.deactivate(alice.user_id, erase=False)
    await server.session_store.open(alice.row)

    with pytest.raises(UserDeactivated):
        await server.authentication.authenticate(alice.access_token)


async def test_a_locked_account_is_let_through_to_log_out(server: AccountsServer) -> None:
    alice = await server.register("alice")
    await server.account_store.set_locked(alice.user_id, True)

    requester = await server.authentication.authenticate_to_leave(alice.access_token)

    assert (requester.user_id, requester.device_id) == (alice.user_id, alice.device_id)
    assert server.authentication.remembered(alice.access_token) is None
    with pytest.raises(UnknownToken):
        await server.authentication.authenticate_to_leave("unknown")


async def test_a_session_that_ends_while_it_is_read_is_not_remembered(
    server: AccountsServer,
) -> None:
    alice = await server.register("alice")
    slow = SlowSessions(server.session_store)
    authentication = Authentication(slow, server.cache, server.last_seen, server.clock)
    reading = Deferred.fromCoroutine(authentication.authenticate(alice.access_token))

    await server.devices.delete(alice.user_id, [alice.device_id])
    slow.gate.callback(None)
    await reading

    assert authentication.remembered(alice.access_token) is None


async def test_the_first_use_of_a_refreshed_token_ends_the_old_one(
    server: AccountsServer,
) -> None:
    old = await server.register("alice", with_refresh_token=True)
    await server.authentication.authenticate(old.access_token)
    assert old.refresh_token is not None
    new = await server.sessions.refresh(old.refresh_token)
    assert server.authentication.remembered(old.access_token) is not None

    await server.authentication.authenticate(new.access_token)

    assert server.authentication.remembered(old.access_token) is None
    with pytest.raises(UnknownToken):
        await server.authentication.authenticate(old.access_token)
    with pytest.raises(UnknownToken):
        await server.sessions.refresh(old.refresh_token)


async def test_devices_are_seen_once_a_minute_and_not_by_each_request(
    server: AccountsServer,
) -> None:
    alice = await server.register("alice")
    requester = await server.authentication.authenticate(alice.access_token)
    note = server.authentication.note_use

    note(requester, "192.0.2.1", "Phone\0 1.0", server.clock.now_ms())
    server.clock.advance(30)
    note(requester, "192.0.2.2", "Phone\0 1.0", server.clock.now_ms())
    [device] = await server.device_store.devices(alice.user_id)
    assert device.last_seen_ts is None
    server.clock.advance(30)

    [device] = await server.device_store.devices(alice.user_id)
    assert device.last_seen_ts == server.clock.now_ms() - 30_000
    assert device.last_seen_ip == "192.0.2.2"
    assert device.last_seen_user_agent == "Phone 1.0"


async def test_what_was_seen_is_written_when_the_server_stops(server: AccountsServer) -> None:
    alice = await server.register("alice")
    requester = await server.authentication.authenticate(alice.access_token)
    server.authentication.note_use(requester, "192.0.2.1", "", server.clock.now_ms())

    await server.last_seen.flush()

    [device] = await server.device_store.devices(alice.user_id)
    assert device.last_seen_ip == "192.0.2.1"


async def test_a_token_without_a_device_is_not_seen(server: AccountsServer) -> None:
    alice = await server.register("alice")
    requester = await server.authentication.authenticate(alice.access_token)

    server.authentication.note_use(attrs.evolve(requester, device_id=None), "192.0.2.1", "", 1)

    await server.last_seen.flush()
    [device] = await server.device_store.devices(alice.user_id)
    assert device.last_seen_ts is None
