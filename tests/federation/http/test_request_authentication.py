"""Which server makes a request."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from federation.http.request_authentication import CHECKED_AT_ONCE_BYTES, MOST_SIGNATURES
from homeserver.domain.canonical_json import encode_lenient_json
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey
from homeserver.domain.x_matrix import sign_request
from homeserver.http.rate_limits import Rate
from tests.clock import START_MS, FakeClock
from tests.federation.key_servers import (
    DAY_MS,
    HERE,
    THERE,
    KeyServer,
    Network,
    Says,
    Setting,
    key_response,
)
from tests.http_requests import Response
from tests.http_wire import HttpWire

ECHO = "/_matrix/federation/v1/echo/x"


async def put(here: KeyServer, authorization: str, body: bytes, target: str = ECHO) -> Response:
    return await here.request(
        "PUT", target, raw_body=body, headers={"Authorization": authorization}
    )


async def get(here: KeyServer, authorization: str | None, target: str = ECHO) -> Response:
    headers = None if authorization is None else {"Authorization": authorization}
    return await here.request("GET", target, headers=headers)


def refused(response: Response) -> str:
    """What a server is told whose request is not believed."""
    assert (response.status, response.json["errcode"]) == (401, "M_UNAUTHORIZED")
    return str(response.json["error"])


# --- requests that are in order


async def test_a_signed_request_has_its_origin(here: KeyServer, there: KeyServer) -> None:
    response = await get(here, there.signed("GET", ECHO, HERE))
    assert (response.status, response.json) == (200, {"origin": THERE, "content": {}})
    assert here.heard_from == [THERE]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[1,{"b":"\xc3\xa4"}]}',
        b' { "z" : 1,\n "a" : "\\u00e4\\/" } ',
        b'{"large":123456789012345678901234567890,"fraction":1.5,"exponent":1e3}',
        b"{}",
        encode_lenient_json({"long": "x" * 2 * CHECKED_AT_ONCE_BYTES}),
    ],
)
async def test_the_body_is_signed_as_what_it_means(
    here: KeyServer, there: KeyServer, body: bytes
) -> None:
    canonical = encode_lenient_json(json.loads(body))
    response = await put(here, there.signed("PUT", ECHO, HERE, canonical), body)
    assert response.status == 200
    assert response.json["content"] == json.loads(body)


@pytest.mark.parametrize(
    "target",
    [
        f"/_matrix/federation/v1/echo/{quote('!room:x/y', safe='')}",
        "/_matrix/federation/v1/echo/%21room%3ax",
        f"{ECHO}?limit=10&v=a%20b+c&v=%7e",
        f"{ECHO}?",
        f"{ECHO}?a=b?c",
    ],
)
async def test_the_target_is_signed_as_it_was_sent(tmp_path: Path, target: str) -> None:
    now = FakeClock(int(time.time() * 1000))
    setting = Setting(Network(), now, tmp_path)
    here, there = KeyServer(setting, HERE), KeyServer(setting, THERE)
    signed = there.signed("GET", target, HERE)
    with HttpWire(here.dispatcher, max_upload_bytes=1) as wire:
        response = wire.request("GET", target, headers={"Authorization": signed})
        assert (response.status, json.loads(response.body)["origin"]) == (200, THERE)
        changed = wire.request("GET", f"{target}&", headers={"Authorization": signed})
        assert changed.status == 401


async def test_a_large_body_over_a_connection_is_believed(tmp_path: Path) -> None:
    now = FakeClock(int(time.time() * 1000))
    setting = Setting(Network(), now, tmp_path)
    here, there = KeyServer(setting, HERE), KeyServer(setting, THERE)
    for size, status in ((150_000, 200), (250_000, 413)):
        body = b'{"a":"' + b"x" * size + b'"}'
        signed = there.signed("PUT", ECHO, HERE, body)
        with HttpWire(here.dispatcher, max_upload_bytes=1) as wire:
            response = wire.request("PUT", ECHO, body, headers={"Authorization": signed})
        assert response.status == status


async def test_older_servers_do_not_name_the_destination(here: KeyServer, there: KeyServer) -> None:
    header = there.signed("GET", ECHO, HERE).replace(f'destination="{HERE}",', "")
    assert (await get(here, header)).status == 200


async def test_one_good_signature_of_several_is_enough(here: KeyServer, there: KeyServer) -> None:
    good = there.signed("GET", ECHO, HERE)
    gone = sign_request("GET", ECHO, THERE, HERE, SigningKey.generate("gone")).header()
    wrong = good.replace('sig="', 'sig="AAAA')
    assert (await get(here, f"{gone}\n{wrong}\n{good}")).status == 200
    refused(await get(here, f"{gone}\n{wrong}"))
    refused(await get(here, "\n".join([good] * (MOST_SIGNATURES + 1))))


async def test_signatures_may_be_in_headers_of_their_own(tmp_path: Path) -> None:
    setting = Setting(Network(), FakeClock(int(time.time() * 1000)), tmp_path)
    here, there = KeyServer(setting, HERE), KeyServer(setting, THERE)
    good = there.signed("GET", ECHO, HERE)
    gone = sign_request("GET", ECHO, THERE, HERE, SigningKey.generate("gone")).header()
    for headers, status in (((good, gone), 200), ((gone, good), 200), ((gone, gone), 401)):
        lines = [f"GET {ECHO} HTTP/1.1", "Host: hs", *(f"Authorization: {h}" for h in headers)]
        with HttpWire(here.dispatcher, max_upload_bytes=1) as wire:
            wire.send("\r\n".join([*lines, "", ""]).encode())
            assert wire.response().status == status


# --- requests that are not


async def test_a_request_must_be_signed(here: KeyServer) -> None:
    for header in (None, "Bearer token", "Basic eDp5", ""):
        assert "not signed" in refused(await get(here, header))
    assert "malformed" in refused(await get(here, "X-Matrix nonsense"))
    other_kind = f'X-Matrix origin="{THERE}",destination="{HERE}",key="rsa:1",sig="AAAA"'
    assert "known kind" in refused(await get(here, other_kind))
    assert here.network.asked == []


async def test_a_request_for_another_server_is_refused(here: KeyServer, there: KeyServer) -> None:
    elsewhere = ServerName("elsewhere.example")
    signed = there.signed("GET", ECHO, elsewhere)
    assert "another server" in refused(await get(here, signed))
    refused(await get(here, signed.replace(elsewhere, HERE)))
    refused(await get(here, signed.replace(f'destination="{elsewhere}",', "")))


async def test_nobody_speaks_for_another_server(
    here: KeyServer, there: KeyServer, setting: Setting
) -> None:
    mallory = KeyServer(setting, ServerName("mallory.example"))
    signed = mallory.signed("GET", ECHO, HERE)
    refused(await get(here, signed.replace(mallory.name, THERE)))
    refused(await get(here, sign_request("GET", ECHO, THERE, HERE, mallory.key).header()))
    refused(await get(here, sign_request("GET", ECHO, HERE, HERE, here.key).header()))
    both = f"{signed}\n{there.signed('GET', ECHO, HERE)}"
    assert "more than one origin" in refused(await get(here, both))
    assert here.heard_from == []


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("PUT", ECHO, b'{"a":2}'),
        ("PUT", ECHO, b""),
        ("PUT", f"{ECHO}?a=1", b'{"a":1}'),
        ("PUT", f"{ECHO}y", b'{"a":1}'),
        ("GET", ECHO, b'{"a":1}'),
    ],
)
async def test_a_request_that_was_changed_on_its_way_is_refused(
    here: KeyServer, there: KeyServer, method: str, target: str, body: bytes
) -> None:
    signed = there.signed("PUT", ECHO, HERE, b'{"a":1}')
    response = await here.request(method, target, raw_body=body, headers={"Authorization": signed})
    assert "wrong" in refused(response)
    assert here.heard_from == []


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        (b"{", 400, "M_NOT_JSON"),
        (b"[1]", 400, "M_BAD_JSON"),
        (b'{"a":' + b"[" * 9_000 + b"]" * 9_000 + b"}", 400, "M_BAD_JSON"),
        (b'{"a":"\\ud800"}', 400, "M_NOT_JSON"),
        (b'{"a":"' + b"x" * 200_000 + b'"}', 413, "M_TOO_LARGE"),
    ],
)
async def test_a_body_that_is_not_in_order_is_refused_before_anybody_is_asked(
    here: KeyServer, there: KeyServer, body: bytes, status: int, errcode: str
) -> None:
    response = await put(here, there.signed("PUT", ECHO, HERE, b"{}"), body)
    assert (response.status, response.json["errcode"]) == (status, errcode)
    assert here.network.asked == []


ODD = [
    (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "M_BAD_JSON"),
    (b'{"a":1e999}', "M_BAD_JSON"),
    (b'{"a":"\xff"}', "M_NOT_JSON"),
]
"""Objects of which a part cannot be read."""


@pytest.mark.parametrize(("body", "errcode"), ODD)
async def test_what_a_body_holds_is_looked_at_when_its_signature_was_found_good(
    here: KeyServer, there: KeyServer, body: bytes, errcode: str
) -> None:
    response = await put(here, there.signed("PUT", ECHO, HERE, body), body)
    assert (response.status, response.json["errcode"]) == (400, errcode)
    assert here.heard_from == [THERE]


@pytest.mark.parametrize(("body", "errcode"), ODD)
async def test_a_body_that_cannot_be_read_is_not_believed_unless_it_is_signed_as_it_is(
    here: KeyServer, there: KeyServer, body: bytes, errcode: str
) -> None:
    response = await put(here, there.signed("PUT", ECHO, HERE, b'{"b":1}'), body)
    assert response.status in (400, 401)
    assert here.heard_from == []


async def test_an_expired_key_signs_no_requests(here: KeyServer, setting: Setting) -> None:
    key, old = SigningKey.generate("k"), SigningKey.generate("old")
    said = key_response(
        THERE, key, valid_until_ms=START_MS + 1000, old={old.key_id: (old, START_MS - DAY_MS)}
    )
    setting.network.servers[THERE] = Says(said).dispatcher
    headers = {each: sign_request("GET", ECHO, THERE, HERE, each).header() for each in (key, old)}
    assert (await get(here, headers[key])).status == 200
    assert "expired" in refused(await get(here, headers[old]))
    setting.clock.advance(2)
    assert "expired" in refused(await get(here, headers[key]))


async def test_after_a_change_of_keys_requests_are_believed_again(
    here: KeyServer, there: KeyServer, setting: Setting
) -> None:
    assert (await get(here, there.signed("GET", ECHO, HERE))).status == 200
    setting.clock.advance(60)
    new = SigningKey.generate("new")
    said = key_response(THERE, new, valid_until_ms=setting.clock.now_ms() + DAY_MS)
    setting.network.servers[THERE] = Says(said).dispatcher
    signed = sign_request("GET", ECHO, THERE, HERE, new).header()
    assert (await get(here, signed)).status == 200


# --- who is not listened to


async def test_a_denied_server_is_told_so(setting: Setting, there: KeyServer) -> None:
    here = KeyServer(setting, HERE, peers=FederationPeers(None, [THERE]))
    response = await get(here, there.signed("GET", ECHO, HERE))
    assert (response.status, response.json["errcode"]) == (403, "M_FORBIDDEN")
    assert here.network.asked == []


async def test_only_allowed_servers_are_listened_to(setting: Setting, there: KeyServer) -> None:
    mallory = KeyServer(setting, ServerName("mallory.example"))
    here = KeyServer(setting, HERE, peers=FederationPeers([THERE]))
    assert (await get(here, there.signed("GET", ECHO, HERE))).status == 200
    assert (await get(here, mallory.signed("GET", ECHO, HERE))).status == 403


async def test_an_address_may_be_about_few_unknown_servers(
    setting: Setting, there: KeyServer
) -> None:
    here = KeyServer(setting, HERE, rate=Rate(0.1, 2))
    key = SigningKey.generate("k")
    for number in range(4):
        name = ServerName(f"s{number}.example")
        response = await get(here, sign_request("GET", ECHO, name, HERE, key).header())
        assert response.status == (401 if number < 2 else 429)
    assert len(here.network.asked) == 2


async def test_an_address_may_forge_few_requests(setting: Setting, there: KeyServer) -> None:
    here = KeyServer(setting, HERE, rate=Rate(0.1, 4))
    good = there.signed("GET", ECHO, HERE)
    for _ in range(3):
        assert (await get(here, good)).status == 200
    wrong = good.replace('sig="', 'sig="AAAA')
    statuses = [(await get(here, wrong)).status for _ in range(6)]
    assert statuses == [401, 401, 401, 401, 429, 429]


async def test_a_server_has_a_budget_of_its_own(setting: Setting, there: KeyServer) -> None:
    here = KeyServer(setting, HERE, rate=Rate(0.1, 3))
    other = KeyServer(setting, ServerName("other.example"))
    signed: Any = there.signed("GET", ECHO, HERE)
    statuses = [(await get(here, signed)).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert (await get(here, other.signed("GET", ECHO, HERE))).status == 200
