"""The Authorization header between servers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import encode_lenient_json
from homeserver.domain.errors import Unauthorized
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey, decode_base64, encode_base64, verify_signed_json
from homeserver.domain.x_matrix import (
    XMatrix,
    is_x_matrix,
    parse_x_matrix,
    request_object,
    sign_request,
)

ORIGIN, DESTINATION = ServerName("origin.hs.example.com"), ServerName("destination.hs.example.com")
EXAMPLE = (
    'X-Matrix origin="origin.hs.example.com",destination="destination.hs.example.com",'
    'key="ed25519:key1",sig="ABCDEF..."'
)
PARSED = XMatrix(ORIGIN, DESTINATION, "ed25519:key1", "ABCDEF...")

SERVER_NAMES = st.sampled_from(
    ["a", "example.org", "example.org:8448", "1.2.3.4", "1.2.3.4:80", "[::1]", "[2001:db8::1]:8448"]
).map(ServerName)


def test_the_example_of_the_specification_is_written_and_read() -> None:
    assert PARSED.header() == EXAMPLE
    assert parse_x_matrix(EXAMPLE) == PARSED


@pytest.mark.parametrize(
    "header",
    [
        EXAMPLE.replace("X-Matrix", "x-MATRIX"),
        EXAMPLE.replace("X-Matrix ", "X-Matrix    "),
        EXAMPLE.replace(",", " \t,\t  "),
        EXAMPLE.replace('"', ""),
        EXAMPLE.replace("origin=", "Origin=").replace("sig=", "SIG="),
        EXAMPLE.replace("=", " = "),
        EXAMPLE.replace("origin.hs", "\\origin\\.hs"),
        EXAMPLE.replace("sig=", "signature="),
        EXAMPLE + ',signature="other",x=y,,z="a,b=\\"c\\""',
        "X-Matrix ," + EXAMPLE.removeprefix("X-Matrix ") + " , ",
        'X-Matrix sig="ABCDEF...",key=ed25519:key1,destination=destination.hs.example.com,'
        "origin=origin.hs.example.com",
    ],
)
def test_what_the_grammar_allows_is_read_alike(header: str) -> None:
    assert is_x_matrix(header)
    assert parse_x_matrix(header) == PARSED


def test_older_servers_name_no_destination() -> None:
    parsed = parse_x_matrix("X-Matrix origin=a,key=ed25519:1,sig=x")
    assert parsed == XMatrix(ServerName("a"), None, "ed25519:1", "x")
    assert parsed.header() == 'X-Matrix origin="a",key="ed25519:1",sig="x"'


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer syt_abc",
        "X-Matrix",
        "X-Matrixorigin=a",
        "X-Matrix ",
        'X-Matrix origin="a",key="ed25519:1"',
        'X-Matrix origin="a",sig="x"',
        'X-Matrix key="ed25519:1",sig="x"',
        'X-Matrix origin="a",origin="b",key="ed25519:1",sig="x"',
        'X-Matrix origin="a b",key="ed25519:1",sig="x"',
        'X-Matrix origin="",key="ed25519:1",sig="x"',
        'X-Matrix origin="a",destination="b/c",key="ed25519:1",sig="x"',
        'X-Matrix origin="a",key="ed25519",sig="x"',
        'X-Matrix origin="a",key="ed25519:1",sig="x',
        'X-Matrix origin="a"key="ed25519:1",sig="x"',
        'X-Matrix origin="a",key="ed25519:1",sig="x" y',
        'X-Matrix origin="a",key="ed25519:1",sig=',
        'X-Matrix origin="a",key="ed25519:1",sig="x",=y',
    ],
)
def test_what_is_malformed_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized):
        parse_x_matrix(header)


@given(SERVER_NAMES, st.none() | SERVER_NAMES, st.binary(min_size=64, max_size=64))
def test_what_is_written_is_read_again(
    origin: ServerName, destination: ServerName | None, signature: bytes
) -> None:
    parameters = XMatrix(origin, destination, "ed25519:a_1", encode_base64(signature))
    assert parse_x_matrix(parameters.header()) == parameters


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for header in (text, f"X-Matrix {text}"):
        with contextlib.suppress(Unauthorized):
            parse_x_matrix(header)


@pytest.mark.parametrize("content", [None, {}, {"b": [1, "é"], "a": {"unsigned": {}}, "f": 1.5}])
def test_the_signature_is_that_of_the_object_in_the_specification(
    content: dict[str, object] | None,
) -> None:
    key = SigningKey.generate("1")
    body = None if content is None else encode_lenient_json(content)

    signed = sign_request("PUT", "/target?a=%2F", ORIGIN, DESTINATION, key, body)

    request = request_object("PUT", "/target?a=%2F", ORIGIN, DESTINATION, content)
    assert ("content" in request) == (content is not None)
    request["signatures"] = {signed.origin: {signed.key_id: signed.signature}}
    verify_signed_json(request, ORIGIN, "ed25519:1", key.verify_key_base64)
    assert len(decode_base64(signed.signature)) == 64
    assert signed.destination == DESTINATION
