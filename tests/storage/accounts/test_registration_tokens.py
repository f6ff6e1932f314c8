"""Registration tokens, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.accounts import NewAccount, Registered
from homeserver.ports.accounts.registration_tokens import RegistrationToken
from homeserver.ports.database import Transactions
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.registration_tokens import SqlRegistrationTokenStore


@pytest.fixture
def store(transactions: Transactions) -> SqlRegistrationTokenStore:
    return SqlRegistrationTokenStore(transactions)


async def test_a_token_without_limits_stays_valid(store: SqlRegistrationTokenStore) -> None:
    assert await store.add(RegistrationToken("open", None, None), 1)

    for number in range(3):
        assert await store.reserve("open", f"session {number}", 100, 1)
    assert await store.is_valid("open", 10**12)
    assert not await store.is_valid("other", 1)
    assert not await store.reserve("other", "session", 100, 1)


async def test_a_token_cannot_be_added_twice(store: SqlRegistrationTokenStore) -> None:
    assert await store.add(RegistrationToken("open", None, None), 1)
    assert not await store.add(RegistrationToken("open", 1, None), 1)


async def test_a_token_expires(store: SqlRegistrationTokenStore) -> None:
    await store.add(RegistrationToken("brief", None, 50), 1)

    assert await store.is_valid("brief", 49)
    assert not await store.is_valid("brief", 50)
    assert not await store.reserve("brief", "session", 100, 50)


async def test_reservations_count_as_uses_until_they_lapse(
    store: SqlRegistrationTokenStore,
) -> None:
    await store.add(RegistrationToken("once", 1, None), 1)

    assert await store.reserve("once", "first", 100, 1)
    assert not await store.is_valid("once", 99)
    assert not await store.reserve("once", "second", 100, 99)

    assert await store.is_valid("once", 100)
    assert await store.reserve("once", "second", 200, 100)


async def test_a_session_holds_one_reservation(store: SqlRegistrationTokenStore) -> None:
    await store.add(RegistrationToken("once", 1, None), 1)
    await store.add(RegistrationToken("also once", 1, None), 1)

    assert await store.reserve("once", "session", 100, 1)
    assert await store.reserve("once", "session", 100, 1)
    assert await store.reserve("also once", "session", 100, 1)

    assert await store.is_valid("once", 1)
    assert not await store.is_valid("also once", 1)


async def test_a_token_of_no_uses_is_never_valid(store: SqlRegistrationTokenStore) -> None:
    await store.add(RegistrationToken("none", 0, None), 1)

    assert not await store.is_valid("none", 1)
    assert not await store.reserve("none", "session", 100, 1)


async def test_registrations_use_a_token_up(
    store: SqlRegistrationTokenStore, transactions: Transactions
) -> None:
    accounts = SqlAccountStore(transactions)
    await store.add(RegistrationToken("twice", 2, None), 1)
    for number in range(2):
        assert await store.reserve("twice", f"session {number}", 100, 1)
        account = NewAccount(UserId(f"@u{number}:hs"), 1, reservation=f"session {number}")
        assert await accounts.register(account, None) is Registered.DONE

    assert not await store.is_valid("twice", 10**12)
    assert not await store.reserve("twice", "session 2", 100, 1)


async def test_a_reservation_is_spent_once(
    store: SqlRegistrationTokenStore, transactions: Transactions
) -> None:
    accounts = SqlAccountStore(transactions)
    await store.add(RegistrationToken("open", None, None), 1)
    await store.reserve("open", "session", 100, 1)
    await accounts.register(NewAccount(UserId("@a:hs"), 1, reservation="session"), None)

    second = NewAccount(UserId("@b:hs"), 1, reservation="session")

    assert await accounts.register(second, None) is Registered.NO_RESERVATION
