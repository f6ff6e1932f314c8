from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson
from homeserver.domain.event_hashes import content_hash, essential_bytes
from homeserver.domain.room_versions import room_version
from homeserver.domain.signing import (
    InvalidSignature,
    SigningKey,
    decode_base64,
    encode_base64,
    sign_json,
    verify_signature,
    verify_signed_json,
)
from tests.homeserver.domain.pdus import json_objects

SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
KEY = SigningKey.from_seed("1", SEED)


@pytest.mark.parametrize(
    ("obj", "signature"),
    [
        (
            {},
            "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
        ),
        (
            {"one": 1, "two": "Two"},
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ],
)
def test_signing_json_as_in_the_specification(obj: JsonObject, signature: str) -> None:
    signed = sign_json(obj, "domain", KEY)

    assert signed == {**obj, "signatures": {"domain": {"ed25519:1": signature}}}
    verify_signed_json(signed, "domain", "ed25519:1", KEY.verify_key_base64)


@pytest.mark.parametrize(
    ("event", "sha256", "signature"),
    [
        (
            {
                "room_id": "!x:domain",
                "sender": "@a:domain",
                "origin": "domain",
                "origin_server_ts": 1000000,
                "signatures": {},
                "hashes": {},
                "type": "X",
                "content": {},
                "prev_events": [],
                "auth_events": [],
                "depth": 3,
                "unsigned": {"age_ts": 1000000},
            },
            "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
            "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
        ),
        (
            {
                "content": {"body": "Here is the message content"},
                "event_id": "$0:domain",
                "origin": "domain",
                "origin_server_ts": 1000000,
                "type": "m.room.message",
                "room_id": "!r:domain",
                "sender": "@u:domain",
                "signatures": {},
                "unsigned": {"age_ts": 1000000},
            },
            "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
            "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
        ),
    ],
)
def test_signing_events_as_in_the_specification(
    event: JsonObject, sha256: str, signature: str
) -> None:
    event["hashes"] = {"sha256": content_hash(event)}

    assert event["hashes"]["sha256"] == sha256
    assert encode_base64(KEY.sign(essential_bytes(event, room_version("1")))) == signature


def test_a_key_is_made_again_from_its_seed() -> None:
    key = SigningKey.generate("a_1")
    again = SigningKey.from_seed("a_1", key.seed_base64)

    assert key.key_id == again.key_id == "ed25519:a_1"
    assert key.verify_key_base64 == again.verify_key_base64
    assert decode_base64(KEY.seed_base64) == decode_base64(SEED)


def test_new_keys_differ() -> None:
    assert SigningKey.generate("1").seed_base64 != SigningKey.generate("1").seed_base64


@pytest.mark.parametrize("seed", ["", "YJDB", "not base64!"])
def test_a_malformed_seed_is_refused(seed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SigningKey.from_seed("1", seed)


def test_the_secret_is_not_shown() -> None:
    assert repr(KEY) == "SigningKey(key_id='ed25519:1')"


@given(json_objects)
def test_what_was_signed_verifies_whatever_is_unsigned(obj: JsonObject) -> None:
    covered = {k: v for k, v in obj.items() if k not in ("signatures", "unsigned")}
    signed = sign_json(covered, "example.org", KEY)

    signed["unsigned"] = {"age": 5}
    verify_signed_json(signed, "example.org", KEY.key_id, KEY.verify_key_base64)


def test_signing_keeps_other_signatures_and_leaves_the_argument_alone() -> None:
    obj = {"a": 1, "unsigned": {"age": 1}, "signatures": {"example.org": {"ed25519:0": "old"}}}

    signed = sign_json(obj, "example.org", KEY)

    assert obj["signatures"] == {"example.org": {"ed25519:0": "old"}}
    assert signed["signatures"]["example.org"].keys() == {"ed25519:0", "ed25519:1"}
    assert signed["unsigned"] == {"age": 1}


def test_a_request_may_carry_numbers_of_old_rooms() -> None:
    signed = sign_json({"content": {"pdus": [{"level": 50.57, "depth": 2**62}]}}, "a", KEY)

    verify_signed_json(signed, "a", KEY.key_id, KEY.verify_key_base64)


def test_what_is_no_json_is_not_signed() -> None:
    with pytest.raises(BadJson):
        sign_json({"a": b"bytes"}, "a", KEY)


SIGNED = sign_json({"one": 1}, "domain", KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"one": 2},
        {"two": 2},
        {"signatures": {}},
        {"signatures": "x"},
        {"signatures": {"domain": []}},
        {"signatures": {"domain": {"ed25519:1": 1}}},
        {"signatures": {"domain": {"ed25519:1": "not base64!"}}},
        {"signatures": {"domain": {"ed25519:1": "AAAA"}}},
        {"signatures": {"domain": {"ed25519:1": "é"}}},
        {"signatures": {"domain": {"ed25519:1": encode_base64(bytes(64))}}},
        {"signatures": {"domain": {"ed25519:2": SIGNED["signatures"]["domain"]["ed25519:1"]}}},
        {"signatures": {"other": SIGNED["signatures"]["domain"]}},
    ],
)
def test_a_changed_object_does_not_verify(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignature):
        verify_signed_json({**SIGNED, **change}, "domain", KEY.key_id, KEY.verify_key_base64)


@pytest.mark.parametrize("verify_key", ["", "AAAA", "not base64!", encode_base64(bytes(32))])
def test_another_or_malformed_key_does_not_verify(verify_key: str) -> None:
    with pytest.raises(InvalidSignature):
        verify_signed_json(SIGNED, "domain", KEY.key_id, verify_key)


def test_padded_signatures_and_keys_are_accepted() -> None:
    signature = encode_base64(KEY.sign(b"message"))

    verify_signature(b"message", signature + "==", KEY.verify_key_base64 + "=")


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
        (b"\xfb\xff", "+/8"),
    ],
)
def test_unpadded_base64_as_in_the_specification(data: bytes, encoded: str) -> None:
    assert encode_base64(data) == encoded
    assert decode_base64(encoded) == data


def test_urlsafe_base64_has_other_characters() -> None:
    assert encode_base64(b"\xfb\xff", urlsafe=True) == "-_8"
    assert decode_base64("-_8", urlsafe=True) == b"\xfb\xff"
    for other in ("+/8", "-_8\n"):
        with pytest.raises(ValueError, match=r".+"):
            decode_base64(other, urlsafe=True)


@given(st.binary(), st.booleans())
def test_base64_gives_the_bytes_back(data: bytes, urlsafe: bool) -> None:
    assert decode_base64(encode_base64(data, urlsafe=urlsafe), urlsafe=urlsafe) == data
