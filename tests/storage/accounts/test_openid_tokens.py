"""Tokens that tell third parties who a user is."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.openid_tokens import OpenIdToken
from homeserver.ports.database import Transactions
from storage.accounts.openid_tokens import SqlOpenIdTokenStore

ALICE = UserId("@alice:hs")


async def test_a_token_is_known_until_it_expires(transactions: Transactions) -> None:
    store = SqlOpenIdTokenStore(transactions)
    await store.add(OpenIdToken(b"\x01" * 32, ALICE, 100), 0)
    assert await store.user_of(b"\x01" * 32, 99) == ALICE
    assert await store.user_of(b"\x01" * 32, 100) is None
    assert await store.user_of(b"\x02" * 32, 99) is None


async def test_expired_tokens_are_forgotten(transactions: Transactions) -> None:
    store = SqlOpenIdTokenStore(transactions)
    await store.add(OpenIdToken(b"\x01" * 32, ALICE, 100), 0)
    await store.add(OpenIdToken(b"\x02" * 32, ALICE, 300), 200)
    assert await store.user_of(b"\x01" * 32, 50) is None
    assert await store.user_of(b"\x02" * 32, 250) == ALICE
