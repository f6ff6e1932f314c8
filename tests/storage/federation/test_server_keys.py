"""The keys of other servers in the database."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transactions
from homeserver.ports.federation.server_keys import KeyResponseRow, ServerKeyRow
from storage.federation.server_keys import SqlServerKeyStore

A, B, C = (ServerName(f"{letter}.example") for letter in "abc")
MANY = 100


@pytest.fixture
def store(transactions: Transactions) -> SqlServerKeyStore:
    return SqlServerKeyStore(transactions)


def a_key(
    server: ServerName, key_id: str = "ed25519:a", until_ms: int = 10, *, response: str = "r"
) -> ServerKeyRow:
    return ServerKeyRow(server, key_id, "VERIFY", until_ms, True, response)


def a_response(server: ServerName, name: str = "r", fetched_ms: int = 1) -> KeyResponseRow:
    return KeyResponseRow(server, name, fetched_ms, 10, b'{"name":"\xc3\xa4\\u0000"}')


async def test_what_was_saved_is_read_in_bulk(store: SqlServerKeyStore) -> None:
    keys = [a_key(A), a_key(A, "ed25519:b", 7), a_key(B), a_key(C)]
    responses = [a_response(A), a_response(B), a_response(C)]
    await store.save(responses, keys, MANY)
    assert sorted(await store.keys_of({A, B}), key=lambda k: (k.server, k.key_id)) == keys[:3]
    read = sorted(await store.responses_of([A, B]), key=lambda r: r.server)
    assert read == responses[:2]


async def test_nobody_has_no_keys(store: SqlServerKeyStore) -> None:
    assert await store.keys_of([]) == []
    assert await store.responses_of([]) == []
    assert await store.keys_of([A]) == []
    await store.save([], [], MANY)


async def test_a_key_is_replaced_and_its_response_forgotten(store: SqlServerKeyStore) -> None:
    await store.save([a_response(A)], [a_key(A), a_key(A, "ed25519:b")], MANY)
    newer = ServerKeyRow(A, "ed25519:a", "OTHER", 99, False, "s")
    await store.save([a_response(A, "s", 2)], [newer], MANY)
    assert sorted(await store.keys_of([A]), key=lambda k: k.key_id) == [
        newer,
        a_key(A, "ed25519:b"),
    ]
    assert {row.response_hash for row in await store.responses_of([A])} == {"r", "s"}
    await store.save([a_response(A, "s", 3)], [a_key(A, "ed25519:b", response="s")], MANY)
    assert await store.responses_of([A]) == [a_response(A, "s", 3)]


async def test_a_response_without_new_keys_is_not_kept(store: SqlServerKeyStore) -> None:
    await store.save([a_response(A), a_response(A, "t")], [a_key(A)], MANY)
    assert await store.responses_of([A]) == [a_response(A)]


async def test_of_too_many_keys_the_longest_invalid_are_forgotten(
    store: SqlServerKeyStore,
) -> None:
    keys = [a_key(A, f"ed25519:{number}", number, response=str(number)) for number in range(6)]
    responses = [a_response(A, str(number)) for number in range(6)]
    await store.save([*responses, a_response(B)], [*keys, a_key(B)], 4)
    assert sorted(key.valid_until_ms for key in await store.keys_of([A])) == [2, 3, 4, 5]
    assert {row.response_hash for row in await store.responses_of([A])} == {"2", "3", "4", "5"}
    assert await store.keys_of([B]) == [a_key(B)]
