"""Accounts, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.accounts import Account, Credentials, NewAccount, Registered
from homeserver.ports.accounts.registration_tokens import RegistrationToken
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.database import Transactions
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.login_tokens import SqlLoginTokenStore
from storage.accounts.registration_tokens import SqlRegistrationTokenStore
from storage.accounts.sessions import SqlSessionStore
from tests.storage.accounts.sessions import new_session

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
NOW = 1_000


@pytest.fixture
def store(transactions: Transactions) -> SqlAccountStore:
    return SqlAccountStore(transactions)


@pytest.fixture
def sessions(transactions: Transactions) -> SqlSessionStore:
    return SqlSessionStore(transactions)


@pytest.fixture
def devices(transactions: Transactions) -> SqlDeviceStore:
    return SqlDeviceStore(transactions)


async def test_a_registered_account_is_found(store: SqlAccountStore) -> None:
    account = NewAccount(ALICE, NOW, "hash", is_admin=True)

    assert await store.register(account, None) is Registered.DONE

    assert await store.account(ALICE) == Account(ALICE, is_admin=True)
    assert await store.credentials(ALICE) == Credentials(Account(ALICE, is_admin=True), "hash")
    assert await store.account(BOB) is None
    assert await store.credentials(BOB) is None


async def test_a_registration_opens_a_session_with_it(
    store: SqlAccountStore, sessions: SqlSessionStore, devices: SqlDeviceStore
) -> None:
    await store.register(NewAccount(ALICE, NOW, "hash"), new_session(ALICE, "PHONE", "a1"))

    found = await sessions.by_access_token(TokenKey.of("a1"))
    assert found is not None
    assert (found.account.user_id, found.device_id) == (ALICE, "PHONE")
    assert [device.device_id for device in await devices.devices(ALICE)] == ["PHONE"]


async def test_a_taken_user_id_changes_nothing(
    store: SqlAccountStore, sessions: SqlSessionStore
) -> None:
    await store.register(NewAccount(ALICE, NOW, "hash"), None)

    outcome = await store.register(NewAccount(ALICE, NOW, "other"), new_session(ALICE, "X", "a1"))

    assert outcome is Registered.USER_IN_USE
    assert await store.credentials(ALICE) == Credentials(Account(ALICE), "hash")
    assert await sessions.by_access_token(TokenKey.of("a1")) is None


async def test_a_reserved_registration_token_is_spent(
    store: SqlAccountStore, transactions: Transactions
) -> None:
    tokens = SqlRegistrationTokenStore(transactions)
    await tokens.add(RegistrationToken("once", 1, None), NOW)
    assert await tokens.reserve("once", "session", NOW + 10, NOW)

    outcome = await store.register(NewAccount(ALICE, NOW, "hash", reservation="session"), None)

    assert outcome is Registered.DONE
    assert not await tokens.is_valid("once", NOW + 100)


async def test_a_lapsed_reservation_registers_nobody(
    store: SqlAccountStore, sessions: SqlSessionStore, transactions: Transactions
) -> None:
    tokens = SqlRegistrationTokenStore(transactions)
    await tokens.add(RegistrationToken("once", 1, None), NOW)
    await tokens.reserve("once", "session", NOW + 10, NOW)
    account = NewAccount(ALICE, NOW + 10, "hash", reservation="session")

    outcome = await store.register(account, new_session(ALICE, "PHONE", "a1"))

    assert outcome is Registered.NO_RESERVATION
    assert await store.account(ALICE) is None
    assert await sessions.by_access_token(TokenKey.of("a1")) is None
    assert await tokens.is_valid("once", NOW + 10)


async def test_a_guest_becomes_a_full_user_once(
    store: SqlAccountStore, sessions: SqlSessionStore
) -> None:
    await store.register(NewAccount(ALICE, NOW, is_guest=True), new_session(ALICE, "PHONE", "a1"))
    upgraded = NewAccount(ALICE, NOW + 1, "hash")

    outcome = await store.upgrade_guest(upgraded, new_session(ALICE, "TABLET", "a2"))

    assert outcome is Registered.DONE
    assert await store.credentials(ALICE) == Credentials(Account(ALICE), "hash")
    for token in ("a1", "a2"):
        found = await sessions.by_access_token(TokenKey.of(token))
        assert found is not None
        assert not found.account.is_guest

    again = NewAccount(ALICE, NOW + 2, "other")
    outcome = await store.upgrade_guest(again, new_session(ALICE, "X", "a3"))
    assert outcome is Registered.NOT_A_GUEST
    assert await store.credentials(ALICE) == Credentials(Account(ALICE), "hash")
    assert await sessions.by_access_token(TokenKey.of("a3")) is None


async def test_an_upgrade_spends_the_reserved_registration_token(
    store: SqlAccountStore, transactions: Transactions
) -> None:
    tokens = SqlRegistrationTokenStore(transactions)
    await tokens.add(RegistrationToken("once", 1, None), NOW)
    await store.register(NewAccount(ALICE, NOW, is_guest=True), None)
    upgraded = NewAccount(ALICE, NOW, "hash", reservation="session")

    assert await store.upgrade_guest(upgraded, None) is Registered.NO_RESERVATION
    assert await store.credentials(ALICE) == Credentials(Account(ALICE, is_guest=True), None)

    await tokens.reserve("once", "session", NOW + 10, NOW)
    assert await store.upgrade_guest(upgraded, None) is Registered.DONE
    assert not await tokens.is_valid("once", NOW + 100)


async def test_a_password_is_replaced(store: SqlAccountStore) -> None:
    await store.register(NewAccount(ALICE, NOW, "hash"), None)
    await store.register(NewAccount(BOB, NOW, "his"), None)

    await store.set_password_hash(ALICE, "new")

    assert await store.credentials(ALICE) == Credentials(Account(ALICE), "new")
    assert await store.credentials(BOB) == Credentials(Account(BOB), "his")


async def test_locks_and_suspensions_come_and_go(store: SqlAccountStore) -> None:
    await store.register(NewAccount(ALICE, NOW, "hash"), None)

    await store.set_locked(ALICE, True)
    await store.set_suspended(ALICE, True)
    assert await store.account(ALICE) == Account(ALICE, is_locked=True, is_suspended=True)

    await store.set_locked(ALICE, False)
    await store.set_suspended(ALICE, False)
    assert await store.account(ALICE) == Account(ALICE)


@pytest.mark.parametrize(("erase", "remaining"), [(False, "hash"), (True, None)])
async def test_deactivation_ends_everything(
    store: SqlAccountStore,
    sessions: SqlSessionStore,
    devices: SqlDeviceStore,
    transactions: Transactions,
    erase: bool,
    remaining: str | None,
) -> None:
    login_tokens = SqlLoginTokenStore(transactions)
    await store.register(NewAccount(ALICE, NOW, "hash"), new_session(ALICE, "PHONE", "a1", "r1"))
    await store.register(NewAccount(BOB, NOW, "his"), new_session(BOB, "PHONE", "b1"))
    await login_tokens.add(TokenKey.of("l1"), ALICE, NOW + 10, NOW)

    assert await store.deactivate(ALICE, erase=erase) == ["PHONE"]

    closed = Account(ALICE, is_deactivated=True)
    assert await store.credentials(ALICE) == Credentials(closed, remaining)
    assert await sessions.by_access_token(TokenKey.of("a1")) is None
    assert await sessions.by_refresh_token(TokenKey.of("r1")) is None
    assert await devices.devices(ALICE) == []
    assert await login_tokens.redeem(TokenKey.of("l1"), NOW) is None
    assert await sessions.by_access_token(TokenKey.of("b1")) is not None
    assert await store.register(NewAccount(ALICE, NOW, "h"), None) is Registered.USER_IN_USE


async def test_deactivated_users_must_leave_their_rooms_until_they_have(
    store: SqlAccountStore,
) -> None:
    for user_id in (ALICE, BOB):
        await store.register(NewAccount(user_id, NOW, "hash"), None)
        await store.deactivate(user_id, erase=False)
    assert await store.must_leave_rooms() == [ALICE, BOB]

    await store.has_left_rooms(ALICE)

    assert await store.must_leave_rooms() == [BOB]
