"""What is remembered of the keys of servers."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from twisted.internet.defer import Deferred

from federation.keys.key_book import MOST_KEYS, KeyBook
from federation.keys.key_response import MAX_KEYS, read_key_response
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey
from homeserver.ports.federation.server_keys import ServerKeyRow
from storage.federation.server_keys import SqlServerKeyStore
from tests.clock import START_MS
from tests.deferreds import together
from tests.federation.key_servers import DAY_MS, THERE, KeyServer, key_response

KEY = SigningKey.generate("k")


class CountingStore(SqlServerKeyStore):
    """Counts how often it is read, and answers when it is told to."""

    reads = 0
    hold: Deferred[None] | None = None

    async def keys_of(self, servers: Collection[ServerName]) -> list[ServerKeyRow]:
        self.reads += 1
        if self.hold is not None:
            await self.hold
        return await super().keys_of(servers)


@pytest.fixture
def store(here: KeyServer) -> CountingStore:
    return CountingStore(here.transactions)


async def test_the_database_is_read_once_for_all_who_wait(store: CountingStore) -> None:
    book = KeyBook(store)
    store.hold = Deferred()
    waiting = [Deferred.fromCoroutine(book.load([THERE])) for _ in range(100)]
    store.hold.callback(None)
    for each in waiting:
        await each
    await book.load([THERE])
    assert store.reads == 1


async def test_memory_is_bounded_and_the_least_used_forgotten(store: CountingStore) -> None:
    book = KeyBook(store, capacity=3)
    names = [ServerName(f"s{number}.example") for number in range(4)]
    for name in names[:3]:
        said = key_response(name, KEY, valid_until_ms=START_MS)
        await book.learn([read_key_response(said, START_MS)], from_origin=True)
    assert book.find(names[0], KEY.key_id)
    await book.load(names[3:])
    found = [book.find(name, KEY.key_id) is not None for name in names]
    assert found == [True, False, True, False]
    await book.load(names)
    assert book.find(names[1], KEY.key_id)


async def test_a_server_cannot_fill_the_memory_with_keys(store: CountingStore) -> None:
    book = KeyBook(store)
    for day in range(4):
        now_ms = START_MS + day * DAY_MS
        keys = {f"ed25519:{day}_{number}": (KEY, now_ms - number) for number in range(MAX_KEYS - 1)}
        content = key_response(THERE, KEY, valid_until_ms=now_ms + DAY_MS, old=keys)
        await book.learn([read_key_response(content, now_ms)], from_origin=True)
    rows = await store.keys_of([THERE])
    assert len(rows) == MOST_KEYS
    assert all(book.find(THERE, row.key_id) == row for row in rows)
    assert book.find(THERE, "ed25519:0_5") is None
    assert book.find(THERE, KEY.key_id)


async def test_what_is_learnt_at_the_same_time_is_kept(store: CountingStore) -> None:
    book = KeyBook(store)
    others = [SigningKey.generate(version) for version in ("a", "b", "c")]
    learning = [
        book.learn(
            [read_key_response(key_response(THERE, key, valid_until_ms=START_MS), START_MS)],
            from_origin=True,
        )
        for key in others
    ]
    await together(*learning)
    assert {row.key_id for row in await store.keys_of([THERE])} == {key.key_id for key in others}
