"""Access and refresh tokens, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import Account, NewAccount
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.accounts.sessions import AccessSession, Opened, RefreshSession
from homeserver.ports.database import Transactions
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.sessions import SqlSessionStore
from tests.storage.accounts.sessions import new_session

ALICE = UserId("@alice:hs")


@pytest.fixture
async def store(transactions: Transactions) -> SqlSessionStore:
    await SqlAccountStore(transactions).register(NewAccount(ALICE, 1_000, "hash"), None)
    return SqlSessionStore(transactions)


async def is_known(store: SqlSessionStore, *, access: str) -> bool:
    return await store.by_access_token(TokenKey.of(access)) is not None


async def refresh_token(store: SqlSessionStore, refresh: str) -> RefreshSession:
    session = await store.by_refresh_token(TokenKey.of(refresh))
    assert session is not None
    return session


async def test_a_session_is_found_by_its_tokens(store: SqlSessionStore) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1", "r1", expires_ts=5_000))

    access, refresh = TokenKey.of("a1"), TokenKey.of("r1")
    assert await store.by_access_token(access) == AccessSession(
        access.id, Account(ALICE), DeviceId("PHONE"), 5_000, None
    )
    assert await store.by_refresh_token(refresh) == RefreshSession(
        refresh.id, Account(ALICE), DeviceId("PHONE"), None
    )


async def test_unknown_tokens_are_nobodys(store: SqlSessionStore) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1", "r1"))

    assert await store.by_access_token(TokenKey.of("r1")) is None
    assert await store.by_refresh_token(TokenKey.of("a1")) is None


async def test_the_whole_hash_of_a_token_counts(store: SqlSessionStore) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1", "r1"))

    access, refresh = TokenKey.of("a1"), TokenKey.of("r1")
    assert await store.by_access_token(TokenKey(access.id, b"\0" * 32)) is None
    assert await store.by_refresh_token(TokenKey(refresh.id, b"\0" * 32)) is None


async def test_a_device_that_logs_in_again_loses_its_tokens(
    store: SqlSessionStore, transactions: Transactions
) -> None:
    first = await store.open(new_session(ALICE, "PHONE", "a1", "r1", display_name="Phone"))
    other = await store.open(new_session(ALICE, "TABLET", "a2"))
    again = await store.open(new_session(ALICE, "PHONE", "a3", display_name="Another name"))

    assert first == other == Opened(is_new_device=True, had_tokens=False)
    assert again == Opened(is_new_device=False, had_tokens=True)
    assert not await is_known(store, access="a1")
    assert await store.by_refresh_token(TokenKey.of("r1")) is None
    assert await is_known(store, access="a2")
    assert await is_known(store, access="a3")
    devices = await SqlDeviceStore(transactions).devices(ALICE)
    assert [(d.device_id, d.display_name) for d in devices] == [
        ("PHONE", "Phone"),
        ("TABLET", None),
    ]


async def test_a_refresh_leaves_the_old_tokens_until_the_new_ones_are_used(
    store: SqlSessionStore,
) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1", "r1"))
    old = await refresh_token(store, "r1")

    assert await store.refresh(old.token_id, new_session(ALICE, "PHONE", "a2", "r2")) == []

    assert await is_known(store, access="a1")
    assert await refresh_token(store, "r1") == old
    unused = await store.by_access_token(TokenKey.of("a2"))
    assert unused is not None
    assert unused.unconfirmed == TokenKey.of("r2").id


async def test_use_of_the_new_access_token_revokes_the_old_tokens(store: SqlSessionStore) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1", "r1"))
    await store.refresh(TokenKey.of("r1").id, new_session(ALICE, "PHONE", "a2", "r2"))

    assert await store.confirm(TokenKey.of("r2").id) == [TokenKey.of("a1").digest]

    assert not await is_known(store, access="a1")
    assert await store.by_refresh_token(TokenKey.of("r1")) is None
    used = await store.by_access_token(TokenKey.of("a2"))
    assert used is not None
    assert used.unconfirmed is None
    assert await store.confirm(TokenKey.of("r2").id) == []


async def test_use_of_the_new_refresh_token_revokes_the_old_tokens(store: SqlSessionStore) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1", "r1"))
    await store.refresh(TokenKey.of("r1").id, new_session(ALICE, "PHONE", "a2", "r2"))

    revoked = await store.refresh(TokenKey.of("r2").id, new_session(ALICE, "PHONE", "a3", "r3"))

    assert revoked == [TokenKey.of("a1").digest]
    assert await store.by_refresh_token(TokenKey.of("r1")) is None
    assert await is_known(store, access="a2")
    assert await is_known(store, access="a3")


async def test_a_refresh_may_be_repeated_until_its_tokens_are_used(store: SqlSessionStore) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1", "r1"))
    await store.refresh(TokenKey.of("r1").id, new_session(ALICE, "PHONE", "a2", "r2"))

    assert await store.refresh(TokenKey.of("r1").id, new_session(ALICE, "PHONE", "a3", "r3")) == []

    await store.confirm(TokenKey.of("r3").id)
    assert await store.by_refresh_token(TokenKey.of("r1")) is None
    assert (
        await store.refresh(TokenKey.of("r1").id, new_session(ALICE, "PHONE", "a4", "r4")) is None
    )
    assert not await is_known(store, access="a4")


async def test_a_token_without_a_device_is_revoked_by_itself(store: SqlSessionStore) -> None:
    await store.open(new_session(ALICE, "PHONE", "a1"))
    await store.open(new_session(ALICE, "TABLET", "a2"))

    await store.revoke(TokenKey.of("a1").id)

    assert not await is_known(store, access="a1")
    assert await is_known(store, access="a2")
