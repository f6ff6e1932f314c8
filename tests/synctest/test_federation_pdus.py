"""The scripted server's hashes and signatures, by the examples of the specification."""

from __future__ import annotations

import base64

import pytest
from nacl.signing import SigningKey

from synctest.connection import JsonObject
from synctest.federation.pdus import event_id_of, finished, redacted
from synctest.federation.signed_json import Signer, canonical_json

# "Cryptographic Test Vectors" in the appendices.
SEED = base64.b64decode("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1=")
SIGNER = Signer("domain", SigningKey(SEED), "ed25519:1")


@pytest.mark.parametrize(
    ("value", "signature"),
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
def test_objects_are_signed_as_specified(value: JsonObject, signature: str) -> None:
    assert SIGNER.sign(value)["signatures"] == {"domain": {"ed25519:1": signature}}


def test_events_are_hashed_and_signed_as_specified() -> None:
    event = {
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
    }
    pdu = finished(event, "10", SIGNER)
    assert pdu["hashes"] == {"sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"}
    assert pdu["signatures"]["domain"]["ed25519:1"] == (
        "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"
    )


def test_keys_are_sorted_and_text_stays_as_it_is() -> None:
    assert canonical_json({"b": "日", "a": [True, None]}) == '{"a":[true,null],"b":"日"}'.encode()


def test_redaction_keeps_what_the_version_protects() -> None:
    create = {"type": "m.room.create", "content": {"creator": "@a:b", "m.federate": False}}
    assert redacted(create, "10")["content"] == {"creator": "@a:b"}
    assert redacted(create, "11")["content"] == create["content"]


def test_an_event_id_does_not_depend_on_what_a_redaction_removes() -> None:
    event = {"type": "m.room.message", "content": {"body": "x"}, "hashes": {"sha256": "y"}}
    assert event_id_of(event, "12") == event_id_of({**event, "content": {}}, "12")
