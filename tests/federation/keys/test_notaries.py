"""Asking notaries for keys, and being one."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from federation.http.keys import MOST_QUERIES
from federation.keys.asking_intervals import FIRST_SECONDS
from federation.keys.key_ring import KeyRequest
from federation.keys.key_sources import Notary
from federation.keys.notary import MOST_FETCHES
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey, sign_json, verify_signed_json
from tests.clock import START_MS
from tests.federation.key_servers import (
    DAY_MS,
    HERE,
    NOTARY,
    THERE,
    KeyServer,
    Says,
    Setting,
    key_response,
)

SERVER = "/_matrix/key/v2/server"
QUERY = "/_matrix/key/v2/query"
KEY = SigningKey.generate("k")
NOTARY_KEY = SigningKey.generate("n")
FORGED_KEY = SigningKey.generate("k")


@pytest.fixture
def here(setting: Setting) -> KeyServer:
    """A server that trusts a notary."""
    return KeyServer(setting, HERE, notaries=[Notary(NOTARY)])


@pytest.fixture
def notary(setting: Setting) -> KeyServer:
    return KeyServer(setting, NOTARY, keys=[NOTARY_KEY])


def known_to(notary: KeyServer, there: KeyServer) -> Deferred[str | None]:
    """Let a notary learn the keys of a server, which then disappears."""
    learning = Deferred.fromCoroutine(notary.key_of(THERE, there.key.key_id))
    del notary.network.servers[THERE]
    notary.network.asked.clear()
    return learning


def countersigned(content: JsonObject, key: SigningKey = NOTARY_KEY) -> JsonObject:
    return sign_json(content, NOTARY, key)


# --- asking notaries


async def test_a_notary_is_asked_for_the_key_of_a_server_that_does_not_answer(
    here: KeyServer, there: KeyServer, notary: KeyServer
) -> None:
    assert await known_to(notary, there)
    assert await here.key_of(THERE, there.key.key_id) == there.key.verify_key_base64
    assert here.network.asked == [(THERE, SERVER), (NOTARY, QUERY), (NOTARY, SERVER)]
    asked_for = here.network.contents[0]["server_keys"]
    least = {"minimum_valid_until_ts": here.clock.now_ms()}
    assert asked_for == {THERE: {there.key.key_id: least}}


async def test_a_notary_is_asked_for_many_servers_at_once(
    here: KeyServer, notary: KeyServer
) -> None:
    names = [ServerName(f"s{number}.example") for number in range(30)]
    await here.ring.keys_for([KeyRequest(name, "ed25519:a", 0) for name in names])
    assert [path for server, path in here.network.asked if server == NOTARY] == [QUERY]
    assert list(here.network.contents[0]["server_keys"]) == names


async def test_a_notary_is_not_asked_while_servers_answer(
    here: KeyServer, there: KeyServer, notary: KeyServer
) -> None:
    assert await here.key_of(THERE, there.key.key_id)
    assert here.network.asked == [(THERE, SERVER)]


async def test_a_notary_whose_key_is_configured_is_not_asked_for_it(
    setting: Setting, there: KeyServer, notary: KeyServer
) -> None:
    trusted = Notary(NOTARY, {NOTARY_KEY.key_id: NOTARY_KEY.verify_key_base64})
    here = KeyServer(setting, HERE, notaries=[trusted])
    assert await known_to(notary, there)
    assert await here.key_of(THERE, there.key.key_id) == there.key.verify_key_base64
    assert (NOTARY, SERVER) not in here.network.asked


async def test_the_next_notary_is_asked_when_the_first_has_nothing(
    setting: Setting, there: KeyServer, notary: KeyServer
) -> None:
    away = Notary(ServerName("away.example"))
    here = KeyServer(setting, HERE, notaries=[away, Notary(NOTARY)])
    assert await known_to(notary, there)
    assert await here.key_of(THERE, there.key.key_id) == there.key.verify_key_base64


def valid(key: SigningKey = KEY, server: ServerName = THERE) -> JsonObject:
    return key_response(server, key, valid_until_ms=START_MS + DAY_MS)


LIES: dict[str, Any] = {
    "not signed by the notary": [valid()],
    "signed with a key that is not the notary's": [countersigned(valid(), FORGED_KEY)],
    "not signed by the server": [countersigned(valid() | {"signatures": {}})],
    "changed": [countersigned(valid() | {"valid_until_ts": START_MS + 2 * DAY_MS})],
    "of a server that nobody asked for": [
        countersigned(valid(server=ServerName("other.example"))),
    ],
    "not a list": "nothing",
    "not objects": [1, None, [], {}],
}


@pytest.mark.parametrize("responses", LIES.values(), ids=LIES.keys())
async def test_a_notary_that_lies_is_not_believed(
    here: KeyServer, setting: Setting, responses: Any
) -> None:
    own = key_response(NOTARY, NOTARY_KEY, valid_until_ms=START_MS + DAY_MS)
    liar = Says(own, {"server_keys": responses})
    setting.network.servers[NOTARY] = liar.dispatcher
    assert await here.key_of(THERE, KEY.key_id) is None
    for name in (THERE, ServerName("other.example")):
        assert await here.store.keys_of([name]) == []


async def test_one_lie_does_not_spoil_the_truth(here: KeyServer, setting: Setting) -> None:
    own = key_response(NOTARY, NOTARY_KEY, valid_until_ms=START_MS + DAY_MS)
    responses = [valid(FORGED_KEY), countersigned(valid())]
    setting.network.servers[NOTARY] = Says(own, {"server_keys": responses}).dispatcher
    assert await here.key_of(THERE, KEY.key_id) == KEY.verify_key_base64


async def test_a_notary_does_not_replace_a_key_that_its_server_gave(
    here: KeyServer, setting: Setting
) -> None:
    setting.network.servers[THERE] = Says(
        key_response(THERE, KEY, valid_until_ms=START_MS + 3_600_000)
    ).dispatcher
    assert await here.key_of(THERE, KEY.key_id)
    del setting.network.servers[THERE]
    own = key_response(NOTARY, NOTARY_KEY, valid_until_ms=START_MS + 3 * DAY_MS)
    forged = countersigned(key_response(THERE, FORGED_KEY, valid_until_ms=START_MS + 2 * DAY_MS))
    says = Says(own, {"server_keys": [forged]})
    setting.network.servers[NOTARY] = says.dispatcher
    setting.clock.advance(7200)
    assert await here.key_of(THERE, KEY.key_id) is None
    assert await here.key_of(THERE, KEY.key_id, 0) == KEY.verify_key_base64
    # What does not contradict the server prolongs.
    genuine = countersigned(key_response(THERE, KEY, valid_until_ms=START_MS + 2 * DAY_MS))
    says.query = {"server_keys": [genuine]}
    setting.clock.advance(FIRST_SECONDS)
    assert await here.key_of(THERE, KEY.key_id) == KEY.verify_key_base64


# --- being a notary


async def test_a_notary_passes_on_what_a_server_said_with_its_signature(
    there: KeyServer, notary: KeyServer
) -> None:
    response = await notary.request("GET", f"{QUERY}/{THERE}")
    (told,) = response.json["server_keys"]
    verify_signed_json(told, THERE, there.key.key_id, there.key.verify_key_base64)
    verify_signed_json(told, NOTARY, NOTARY_KEY.key_id, NOTARY_KEY.verify_key_base64)
    assert told["verify_keys"] == {there.key.key_id: {"key": there.key.verify_key_base64}}


async def test_what_a_server_says_beyond_the_specification_is_passed_on(
    setting: Setting, notary: KeyServer
) -> None:
    said = key_response(THERE, KEY, valid_until_ms=START_MS + DAY_MS, hobby="chess")
    setting.network.servers[THERE] = Says(said).dispatcher
    response = await notary.request("GET", f"{QUERY}/{THERE}/{KEY.key_id}")
    (told,) = response.json["server_keys"]
    assert told["hobby"] == "chess"
    verify_signed_json(told, THERE, KEY.key_id, KEY.verify_key_base64)


async def test_a_notary_remembers_for_half_of_the_lifetime(
    there: KeyServer, notary: KeyServer, setting: Setting
) -> None:
    for hours in (0, 11, 2):
        setting.clock.advance(hours * 3600)
        assert len((await notary.request("GET", f"{QUERY}/{THERE}")).json["server_keys"]) == 1
    assert notary.network.asked == [(THERE, SERVER), (THERE, SERVER)]


async def test_a_notary_has_the_last_word_of_a_server_that_is_gone(
    there: KeyServer, notary: KeyServer, setting: Setting
) -> None:
    assert await known_to(notary, there)
    setting.clock.advance(30 * 24 * 3600)
    (told,) = (await notary.request("GET", f"{QUERY}/{THERE}")).json["server_keys"]
    assert told["server_name"] == THERE


async def test_a_notary_asks_again_for_keys_that_are_to_be_good_for_longer(
    there: KeyServer, notary: KeyServer, setting: Setting
) -> None:
    assert await notary.key_of(THERE, there.key.key_id)
    setting.clock.advance(FIRST_SECONDS)
    least = START_MS + DAY_MS + 1
    await notary.request("GET", f"{QUERY}/{THERE}?minimum_valid_until_ts={least}")
    assert len(notary.network.asked) == 2


async def test_a_notary_tells_an_old_key_beside_the_newest(
    notary: KeyServer, setting: Setting
) -> None:
    server = Says(key_response(THERE, KEY, valid_until_ms=START_MS + DAY_MS))
    setting.network.servers[THERE] = server.dispatcher
    assert await notary.key_of(THERE, KEY.key_id)
    setting.clock.advance(FIRST_SECONDS)
    new = SigningKey.generate("new")
    server.own = key_response(THERE, new, valid_until_ms=START_MS + DAY_MS)
    criteria = {THERE: {KEY.key_id: {}, new.key_id: {"minimum_valid_until_ts": 1}}}
    told = (await notary.request("POST", QUERY, {"server_keys": criteria})).json["server_keys"]
    assert {key_id for each in told for key_id in each["verify_keys"]} == {
        KEY.key_id,
        new.key_id,
    }


async def test_a_notary_tells_its_own_keys(notary: KeyServer) -> None:
    body: JsonObject = {"server_keys": {NOTARY: {}}}
    (told,) = (await notary.request("POST", QUERY, body)).json["server_keys"]
    verify_signed_json(told, NOTARY, NOTARY_KEY.key_id, NOTARY_KEY.verify_key_base64)
    assert notary.network.asked == []


async def test_servers_that_cannot_be_had_are_left_out(notary: KeyServer, there: KeyServer) -> None:
    body: JsonObject = {"server_keys": {"gone.example": {"ed25519:a": {}}, THERE: {}}}
    told = (await notary.request("POST", QUERY, body)).json["server_keys"]
    assert [each["server_name"] for each in told] == [THERE]
    assert (await notary.request("POST", QUERY, {"server_keys": {}})).json == {"server_keys": []}


async def test_a_query_makes_a_notary_ask_a_limited_number_of_servers(notary: KeyServer) -> None:
    servers: JsonObject = {f"s{number}.example": {} for number in range(MOST_FETCHES + 50)}
    response = await notary.request("POST", QUERY, {"server_keys": servers})
    assert response.json == {"server_keys": []}
    assert len(notary.network.asked) == MOST_FETCHES


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "errcode"),
    [
        ("GET", f"{QUERY}/no%20name", None, 400, "M_INVALID_PARAM"),
        ("GET", f"{QUERY}/{THERE}?minimum_valid_until_ts=soon", None, 400, "M_INVALID_PARAM"),
        ("POST", QUERY, {}, 400, "M_MISSING_PARAM"),
        ("POST", QUERY, {"server_keys": {"a b": {}}}, 400, "M_INVALID_PARAM"),
        ("POST", QUERY, {"server_keys": []}, 400, "M_BAD_JSON"),
        (
            "POST",
            QUERY,
            {"server_keys": {f"s{n}.example": {} for n in range(MOST_QUERIES + 1)}},
            413,
            "M_TOO_LARGE",
        ),
    ],
)
async def test_a_query_that_is_not_in_order_is_refused(
    notary: KeyServer, method: str, target: str, body: Any, status: int, errcode: str
) -> None:
    response = await notary.request(method, target, body)
    assert (response.status, response.json["errcode"]) == (status, errcode)
    assert notary.network.asked == []
