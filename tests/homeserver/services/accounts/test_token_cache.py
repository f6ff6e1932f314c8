"""Remembered access tokens."""

from __future__ import annotations

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.domain.requester import Requester
from homeserver.services.accounts.token_cache import TokenCache

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")
PHONE, TABLET = DeviceId("PHONE"), DeviceId("TABLET")


def requester(user_id: UserId, device_id: DeviceId | None) -> Requester:
    return Requester(user_id, device_id, 1)


def filled() -> TokenCache:
    cache = TokenCache()
    cache.put(b"alice phone", requester(ALICE, PHONE), None)
    cache.put(b"alice tablet", requester(ALICE, TABLET), None)
    cache.put(b"alice none", requester(ALICE, None), None)
    cache.put(b"bob phone", requester(BOB, PHONE), None)
    return cache


def known(cache: TokenCache) -> set[bytes]:
    digests = (b"alice phone", b"alice tablet", b"alice none", b"bob phone")
    return {digest for digest in digests if cache.find(digest, 0) is not None}


def test_a_token_is_found_until_it_expires() -> None:
    cache = TokenCache()
    cache.put(b"t", requester(ALICE, PHONE), 100)

    assert cache.find(b"t", 99) == requester(ALICE, PHONE)
    assert cache.find(b"t", 100) is None
    assert len(cache) == 0


def test_the_token_used_longest_ago_makes_room() -> None:
    cache = TokenCache(capacity=2)
    cache.put(b"1", requester(ALICE, PHONE), None)
    cache.put(b"2", requester(ALICE, TABLET), None)
    cache.find(b"1", 0)

    cache.put(b"3", requester(BOB, PHONE), None)

    assert cache.find(b"2", 0) is None
    assert cache.find(b"1", 0) is not None
    assert cache.find(b"3", 0) is not None


def test_the_tokens_of_devices_are_dropped() -> None:
    cache = filled()
    cache.drop_devices(ALICE, [PHONE])
    assert known(cache) == {b"alice tablet", b"alice none", b"bob phone"}

    cache.drop_devices(ALICE, {None})
    assert known(cache) == {b"alice tablet", b"bob phone"}


def test_the_tokens_of_a_user_are_dropped() -> None:
    cache = filled()
    cache.drop_user(ALICE, keep=PHONE)
    assert known(cache) == {b"alice phone", b"bob phone"}

    cache.drop_user(ALICE)
    assert known(cache) == {b"bob phone"}


def test_every_drop_begins_a_generation() -> None:
    cache = filled()
    before = cache.generation

    cache.drop([b"unknown"])

    assert cache.generation != before
    assert len(cache) == 4
