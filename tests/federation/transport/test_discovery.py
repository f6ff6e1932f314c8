"""Finding servers: each step of the specification, and what hostile hosts answer."""

from __future__ import annotations

import json

import pytest
from twisted.names import dns

from federation.transport.endpoints import Endpoint
from federation.transport.errors import NameNotResolved
from federation.transport.well_known import MAX_BYTES
from tests.federation.transport.conftest import PUBLIC, Internet
from tests.federation.transport.internet import Received, Reply

HOST_AT = "198.41.0.4"
FALLBACK = [Endpoint("hs.example", 8448, "hs.example", "hs.example")]


@pytest.mark.parametrize(
    ("server_name", "expected"),
    [
        ("1.2.3.4", Endpoint("1.2.3.4", 8448, "1.2.3.4", "1.2.3.4")),
        ("1.2.3.4:80", Endpoint("1.2.3.4", 80, "1.2.3.4:80", "1.2.3.4")),
        ("[2606::1]", Endpoint("2606::1", 8448, "[2606::1]", "2606::1")),
        ("[2606::1]:80", Endpoint("2606::1", 80, "[2606::1]:80", "2606::1")),
        ("hs.example:443", Endpoint("hs.example", 443, "hs.example:443", "hs.example")),
    ],
)
async def test_literals_and_ports_need_no_questions(
    internet: Internet, server_name: str, expected: Endpoint
) -> None:
    assert await internet.discovery().endpoints_of(server_name) == [expected]
    assert internet.zone.asked == []


@pytest.mark.parametrize("name", ["", "a b", "hs.example:0", "http://hs.example", "1.2.3"])
async def test_what_is_no_server_name_has_no_server(internet: Internet, name: str) -> None:
    with pytest.raises(NameNotResolved):
        await internet.discovery().endpoints_of(name)


@pytest.mark.parametrize(
    ("delegated", "expected"),
    [
        ("1.2.3.4", Endpoint("1.2.3.4", 8448, "1.2.3.4", "1.2.3.4")),
        ("[2606::1]:80", Endpoint("2606::1", 80, "[2606::1]:80", "2606::1")),
        ("m.example:443", Endpoint("m.example", 443, "m.example:443", "m.example")),
        ("m.example", Endpoint("m.example", 8448, "m.example", "m.example")),
    ],
)
async def test_a_host_delegates(internet: Internet, delegated: str, expected: Endpoint) -> None:
    site = internet.delegate("hs.example", delegated, at=HOST_AT)
    assert await internet.discovery().endpoints_of("hs.example") == [expected]
    assert [each.target for each in site.received] == ["/.well-known/matrix/server"]


@pytest.mark.parametrize("service", ["_matrix-fed._tcp", "_matrix._tcp"])
async def test_a_delegate_is_found_by_its_services(internet: Internet, service: str) -> None:
    internet.delegate("hs.example", "m.example", at=HOST_AT)
    internet.zone.service(f"{service}.m.example", "b.example", 8443, priority=2)
    internet.zone.service(f"{service}.m.example", "a.example", 443, priority=1)
    assert await internet.discovery().endpoints_of("hs.example") == [
        Endpoint("a.example", 443, "m.example", "m.example"),
        Endpoint("b.example", 8443, "m.example", "m.example"),
    ]


@pytest.mark.parametrize("service", ["_matrix-fed._tcp", "_matrix._tcp"])
async def test_a_host_without_delegation_is_found_by_its_services(
    internet: Internet, service: str
) -> None:
    internet.zone.service(f"{service}.hs.example", "a.example", 443)
    assert await internet.discovery().endpoints_of("hs.example") == [
        Endpoint("a.example", 443, "hs.example", "hs.example")
    ]


async def test_the_registered_service_wins(internet: Internet) -> None:
    internet.zone.service("_matrix-fed._tcp.hs.example", "new.example", 1)
    internet.zone.service("_matrix._tcp.hs.example", "old.example", 2)
    (endpoint,) = await internet.discovery().endpoints_of("hs.example")
    assert endpoint.host == "new.example"


async def test_a_host_that_says_it_has_no_server_has_none(internet: Internet) -> None:
    internet.zone.service("_matrix-fed._tcp.hs.example", "", 0)
    with pytest.raises(NameNotResolved):
        await internet.discovery().endpoints_of("hs.example")


async def test_name_servers_that_know_no_services_do_no_harm(internet: Internet) -> None:
    internet.zone.broken |= {"_matrix-fed._tcp.hs.example", "_matrix._tcp.hs.example"}
    assert await internet.discovery().endpoints_of("hs.example") == FALLBACK


async def test_without_anything_the_server_is_at_the_host_on_8448(internet: Internet) -> None:
    assert await internet.discovery().endpoints_of("hs.example") == FALLBACK


def document(**fields: object) -> bytes:
    return json.dumps(fields or {"m.server": "m.example:1"}).encode()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404, body=document()),
        Reply(status=500),
        Reply(body=b"<html>"),
        Reply(body=b"[]"),
        Reply(body=b"\xff"),
        Reply(body=b"{}"),
        Reply(body=document(**{"m.server": 5})),
        Reply(body=document(**{"m.server": "https://m.example"})),
        Reply(body=document(**{"m.server": "m.example:0"})),
        Reply(body=document(**{"m.server": "m.example:1", "x": "y" * MAX_BYTES})),
        Reply(body=b"[" * 50_000),
        Reply(status=302, headers={"Location": "http://hs.example/a"}),
        Reply(status=302, headers={"Location": "/.well-known/matrix/server"}),
        Reply(status=302, headers={"Location": "https://[/"}),
        Reply(status=302, headers={"Location": "https://10.0.0.1/"}),
        Reply(status=302, headers={"Location": "https://user:pass@hs.example/"}),
        Reply(status=302, body=document()),
    ],
)
async def test_an_answer_that_is_not_valid_is_no_delegation(
    internet: Internet, reply: Reply
) -> None:
    internet.zone.address("hs.example", HOST_AT)
    certificate = internet.ca.issue("hs.example")
    internet.serve(lambda _: reply, at=HOST_AT, port=443, certificate=certificate)
    assert await internet.discovery().endpoints_of("hs.example") == FALLBACK


async def test_the_document_of_another_name_is_not_believed(internet: Internet) -> None:
    internet.zone.address("hs.example", HOST_AT)
    certificate = internet.ca.issue("other.example")
    site = internet.serve(
        lambda _: Reply(body=document()), at=HOST_AT, port=443, certificate=certificate
    )
    assert await internet.discovery().endpoints_of("hs.example") == FALLBACK
    assert site.received == []


async def test_redirects_are_followed(internet: Internet) -> None:
    internet.zone.address("hs.example", HOST_AT)
    internet.zone.address("www.example", PUBLIC)

    def www(received: Received) -> Reply:
        if received.target == "/there?x=1":
            return Reply(body=document())
        return Reply(status=301, headers={"Location": "there?x=1#fragment"})

    internet.serve(
        lambda _: Reply(status=308, headers={"Location": "https://www.example/here"}),
        at=HOST_AT,
        port=443,
        certificate=internet.ca.issue("hs.example"),
    )
    internet.serve(www, port=443, certificate=internet.ca.issue("www.example"))
    (endpoint,) = await internet.discovery().endpoints_of("hs.example")
    assert endpoint.host == "m.example"


async def test_redirects_without_an_end_are_given_up(internet: Internet) -> None:
    internet.zone.address("hs.example", HOST_AT)
    site = internet.serve(
        lambda received: Reply(status=302, headers={"Location": received.target + "x"}),
        at=HOST_AT,
        port=443,
        certificate=internet.ca.issue("hs.example"),
    )
    assert await internet.discovery().endpoints_of("hs.example") == FALLBACK
    assert len(site.received) == 11


async def test_what_was_learnt_is_not_asked_again(internet: Internet) -> None:
    site = internet.delegate("hs.example", "m.example", at=HOST_AT)
    discovery = internet.discovery()
    for _ in range(3):
        await discovery.endpoints_of("hs.example")
    assert len(site.received) == 1
    assert internet.zone.count("_matrix-fed._tcp.m.example", dns.SRV) == 1
