"""Tokens that log in once, in both databases."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.database import Transactions
from storage.accounts.login_tokens import SqlLoginTokenStore

ALICE = UserId("@alice:hs")


async def test_a_token_works_once(transactions: Transactions) -> None:
    store = SqlLoginTokenStore(transactions)
    await store.add(TokenKey.of("l1"), ALICE, 100, 1)

    assert await store.redeem(TokenKey.of("other"), 99) is None
    assert await store.redeem(TokenKey.of("l1"), 99) == ALICE
    assert await store.redeem(TokenKey.of("l1"), 99) is None


async def test_an_expired_token_does_not_work(transactions: Transactions) -> None:
    store = SqlLoginTokenStore(transactions)
    await store.add(TokenKey.of("l1"), ALICE, 100, 1)

    assert await store.redeem(TokenKey.of("l1"), 100) is None


async def test_expired_tokens_are_forgotten(transactions: Transactions) -> None:
    store = SqlLoginTokenStore(transactions)
    await store.add(TokenKey.of("l1"), ALICE, 100, 1)

    await store.add(TokenKey.of("l2"), ALICE, 200, 100)

    assert await store.redeem(TokenKey.of("l1"), 1) is None
    assert await store.redeem(TokenKey.of("l2"), 100) == ALICE
