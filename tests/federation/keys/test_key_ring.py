"""Finding the keys of other servers."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from federation.keys.asking_intervals import FIRST_SECONDS, LONGEST_SECONDS
from federation.keys.key_fetching import AT_ONCE
from federation.keys.key_response import MAX_VALIDITY_MS
from federation.keys.key_ring import AT_ANY_TIME, KeyRequest
from federation.keys.own_keys import RetiredKey
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey
from tests.clock import START_MS
from tests.federation.key_servers import (
    DAY_MS,
    HERE,
    THERE,
    KeyServer,
    Says,
    Setting,
    key_response,
)

SERVER = "/_matrix/key/v2/server"
KEY = SigningKey.generate("k")
OTHER_KEY = SigningKey.generate("other")


def says(setting: Setting, content: JsonObject) -> Says:
    server = Says(content)
    setting.network.servers[THERE] = server.dispatcher
    return server


def valid(*keys: SigningKey, until_ms: int = START_MS + DAY_MS) -> JsonObject:
    return key_response(THERE, *keys, valid_until_ms=until_ms)


# --- where keys come from


async def test_a_key_is_fetched_from_its_server_once(here: KeyServer, there: KeyServer) -> None:
    for _ in range(3):
        assert await here.key_of(THERE, there.key.key_id) == there.key.verify_key_base64
    assert here.network.asked == [(THERE, SERVER)]


async def test_a_key_survives_a_restart(here: KeyServer, there: KeyServer) -> None:
    await here.key_of(THERE, there.key.key_id)
    here.start()
    assert await here.key_of(THERE, there.key.key_id) == there.key.verify_key_base64
    assert here.network.asked == [(THERE, SERVER)]


async def test_a_thousand_requests_for_a_key_are_one_fetch(
    here: KeyServer, there: KeyServer
) -> None:
    here.network.hold = Deferred()
    asking = [Deferred.fromCoroutine(here.key_of(THERE, there.key.key_id)) for _ in range(1000)]
    asking[0].addErrback(lambda _: None).cancel()  # who asked first does not wait for it
    here.network.hold.callback(None)
    found = {await each for each in asking[1:]}
    assert found == {there.key.verify_key_base64}
    assert here.network.asked == [(THERE, SERVER)]


async def test_many_servers_are_asked_a_few_at_a_time(here: KeyServer) -> None:
    here.network.hold = Deferred()
    requests = [KeyRequest(ServerName(f"s{n}.example"), "ed25519:a", 0) for n in range(200)]
    asking = Deferred.fromCoroutine(here.ring.keys_for(requests))
    assert len(here.network.asked) == AT_ONCE
    here.network.hold.callback(None)
    assert await asking == {}
    assert len(here.network.asked) == 200


async def test_our_own_keys_are_known(setting: Setting) -> None:
    old = RetiredKey("ed25519:old", OTHER_KEY.verify_key_base64, START_MS - DAY_MS)
    here = KeyServer(setting, HERE, keys=[KEY], retired=[old])
    assert await here.key_of(HERE, KEY.key_id) == KEY.verify_key_base64
    assert await here.key_of(HERE, old.key_id) is None
    assert await here.key_of(HERE, old.key_id, old.expired_ms) == old.verify_key
    assert await here.key_of(HERE, "ed25519:nothing") is None
    assert here.network.asked == []


# --- how long keys are good


async def test_an_expired_key_is_fetched_again(here: KeyServer, setting: Setting) -> None:
    server = says(setting, valid(KEY, until_ms=START_MS + 3_600_000))
    assert await here.key_of(THERE, KEY.key_id)
    setting.clock.advance(3_601)
    assert await here.key_of(THERE, KEY.key_id) is None
    server.own = valid(KEY, until_ms=START_MS + DAY_MS)
    setting.clock.advance(FIRST_SECONDS)
    assert await here.key_of(THERE, KEY.key_id)


async def test_a_key_is_not_believed_to_be_good_for_more_than_a_week(
    here: KeyServer, setting: Setting
) -> None:
    says(setting, valid(KEY, until_ms=START_MS + 365 * DAY_MS))
    week_ms = START_MS + MAX_VALIDITY_MS
    assert await here.key_of(THERE, KEY.key_id, week_ms)
    assert await here.key_of(THERE, KEY.key_id, week_ms + 1) is None


async def test_nobody_is_asked_for_a_key_that_is_good_in_a_year(
    here: KeyServer, there: KeyServer
) -> None:
    assert await here.key_of(THERE, there.key.key_id, START_MS + 365 * DAY_MS) is None
    assert here.network.asked == []


async def test_old_room_versions_take_expired_keys(here: KeyServer, setting: Setting) -> None:
    says(setting, valid(KEY, until_ms=START_MS - DAY_MS))
    assert await here.key_of(THERE, KEY.key_id, AT_ANY_TIME) == KEY.verify_key_base64


async def test_an_old_key_is_good_until_it_expired(here: KeyServer, setting: Setting) -> None:
    old = {OTHER_KEY.key_id: (OTHER_KEY, START_MS - DAY_MS)}
    says(setting, key_response(THERE, KEY, valid_until_ms=START_MS + DAY_MS, old=old))
    assert await here.key_of(THERE, OTHER_KEY.key_id, START_MS - DAY_MS)
    assert await here.key_of(THERE, OTHER_KEY.key_id, START_MS - DAY_MS + 1) is None


async def test_a_server_can_take_a_key_back(here: KeyServer, setting: Setting) -> None:
    server = says(setting, valid(KEY, until_ms=START_MS + 6 * DAY_MS))
    assert await here.key_of(THERE, KEY.key_id, START_MS + 5 * DAY_MS)
    setting.clock.advance(FIRST_SECONDS)
    old = {KEY.key_id: (KEY, START_MS)}
    server.own = key_response(THERE, OTHER_KEY, valid_until_ms=START_MS + DAY_MS, old=old)
    assert await here.key_of(THERE, OTHER_KEY.key_id)
    assert await here.key_of(THERE, KEY.key_id) is None
    assert await here.key_of(THERE, KEY.key_id, START_MS) == KEY.verify_key_base64


async def test_a_replaced_key_is_found(here: KeyServer, setting: Setting) -> None:
    server = says(setting, valid(KEY))
    assert await here.key_of(THERE, KEY.key_id)
    server.own = valid(OTHER_KEY)
    assert await here.key_of(THERE, OTHER_KEY.key_id) is None  # asked a moment ago
    setting.clock.advance(FIRST_SECONDS)
    assert await here.key_of(THERE, OTHER_KEY.key_id) == OTHER_KEY.verify_key_base64


# --- servers that do not answer, and answers that are not to be believed


async def test_a_server_that_does_not_answer_is_asked_less_and_less(
    here: KeyServer, setting: Setting
) -> None:
    times = []
    for second in range(0, 2 * int(LONGEST_SECONDS), 10):
        before = len(here.network.asked)
        assert await here.key_of(THERE, "ed25519:a") is None
        if len(here.network.asked) > before:
            times.append(second)
        setting.clock.advance(10)
    assert times == [0, 30, 90, 210, 450, 930]


BAD_ANSWERS: dict[str, JsonObject] = {
    "another server's": key_response(ServerName("x.example"), KEY, valid_until_ms=2 * START_MS),
    "unsigned": valid(KEY) | {"signatures": {}},
    "signed by another key": valid(OTHER_KEY)
    | {"verify_keys": {KEY.key_id: {"key": KEY.verify_key_base64}}},
    "changed": valid(KEY) | {"valid_until_ts": START_MS + 2 * DAY_MS},
    "signed wrongly by one of two": valid(KEY, OTHER_KEY)
    | {"signatures": {THERE: {**valid(KEY)["signatures"][THERE], OTHER_KEY.key_id: "AAAA"}}},
    "without a time": {k: v for k, v in valid(KEY).items() if k != "valid_until_ts"},
    "of another shape": {"verify_keys": []},
    "with too many keys": key_response(
        THERE,
        KEY,
        valid_until_ms=START_MS + DAY_MS,
        old={f"ed25519:{number}": (KEY, 1) for number in range(100)},
    ),
    "huge": key_response(THERE, KEY, valid_until_ms=START_MS + DAY_MS, filling="x" * 70_000),
}


@pytest.mark.parametrize("content", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_an_answer_that_is_not_in_order_is_not_believed(
    here: KeyServer, setting: Setting, content: JsonObject
) -> None:
    says(setting, content)
    for at_ms in (START_MS, AT_ANY_TIME):
        assert await here.key_of(THERE, KEY.key_id, at_ms) is None
    assert await here.store.keys_of([THERE]) == []
    assert await here.store.responses_of([THERE]) == []


async def test_times_out_of_this_world_do_no_harm(here: KeyServer, setting: Setting) -> None:
    old = {OTHER_KEY.key_id: (OTHER_KEY, -(10**40))}
    says(setting, key_response(THERE, KEY, valid_until_ms=10**40, old=old))
    assert await here.key_of(THERE, KEY.key_id) == KEY.verify_key_base64
    here.start()
    assert await here.key_of(THERE, OTHER_KEY.key_id, AT_ANY_TIME)


async def test_keys_of_other_kinds_are_passed_over(here: KeyServer, setting: Setting) -> None:
    verify_keys = {
        KEY.key_id: {"key": KEY.verify_key_base64},
        "dilithium:1": {"key": "AAAA"},
        "ed25519:short": {"key": "AAAA"},
    }
    until_ms = START_MS + DAY_MS
    says(setting, key_response(THERE, KEY, valid_until_ms=until_ms, verify_keys=verify_keys))
    assert await here.key_of(THERE, KEY.key_id) == KEY.verify_key_base64
    assert await here.key_of(THERE, "ed25519:short") is None
    assert [row.key_id for row in await here.store.keys_of([THERE])] == [KEY.key_id]
