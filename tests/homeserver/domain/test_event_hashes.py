from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from homeserver.domain.errors import BadJson
from homeserver.domain.event_hashes import (
    content_hash,
    content_hash_matches,
    essential_bytes,
    reference_hash,
)
from homeserver.domain.redaction import redact_pdu
from homeserver.domain.room_versions import RoomVersion, room_version
from tests.homeserver.domain.pdus import (
    a_pdu,
    all_versions,
)


def hash_as_written(value: Any) -> str:
    """SHA-256 of canonical JSON in unpadded Base64, with the code of the specification."""
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(hashlib.sha256(encoded.encode()).digest()).decode().rstrip("=")


def without(pdu: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in pdu.items() if key not in keys}


@all_versions
def test_the_content_hash_covers_all_but_hashes_signatures_and_unsigned(
    version: RoomVersion,
) -> None:
    pdu = a_pdu(version)
    expected = hash_as_written(without(pdu, "hashes", "signatures"))

    assert content_hash(pdu) == expected
    assert content_hash({**pdu, "unsigned": {"age": 1}, "signatures": {}}) == expected
    assert content_hash({**pdu, "org.example.extra": 1}) != expected


@all_versions
def test_the_reference_hash_covers_the_redacted_event_and_its_hashes(version: RoomVersion) -> None:
    pdu = a_pdu(version)
    expected = hash_as_written(without(redact_pdu(pdu, version), "signatures"))

    assert reference_hash(pdu, version) == expected
    assert reference_hash({**pdu, "unsigned": {"age": 1}, "signatures": {}}, version) == expected
    assert reference_hash({**pdu, "hashes": {"sha256": "other"}}, version) != expected


def test_the_essential_bytes_are_canonical_json_of_what_is_signed() -> None:
    pdu = {"type": "X", "content": {"a": 1}, "sender": "@a:b", "signatures": {}, "unsigned": {}}

    assert essential_bytes(pdu, room_version("11")) == b'{"content":{},"sender":"@a:b","type":"X"}'


@all_versions
def test_the_content_hash_of_an_untouched_event_matches(version: RoomVersion) -> None:
    pdu = a_pdu(version)

    assert content_hash_matches(pdu)
    assert content_hash_matches({**pdu, "hashes": {"sha256": pdu["hashes"]["sha256"] + "="}})


@pytest.mark.parametrize(
    "change",
    [
        {"content": {}},
        {"hashes": {}},
        {"hashes": "x"},
        {"hashes": {"sha256": 1}},
        {"hashes": {"sha256": "not base64!"}},
        {"hashes": {"sha256": "é"}},
        {"hashes": {"sha256": ""}},
    ],
)
def test_the_content_hash_of_a_changed_event_does_not_match(change: dict[str, Any]) -> None:
    assert not content_hash_matches({**a_pdu(room_version("12")), **change})


def test_floats_and_large_integers_of_old_rooms_are_hashed_as_they_are() -> None:
    pdu = {"type": "m.room.power_levels", "content": {"ban": 50.57, "users": {"@a:b": 2**60}}}

    assert content_hash(pdu) == hash_as_written(pdu)
    assert reference_hash(pdu, room_version("1")) == hash_as_written(pdu)


def test_what_is_no_json_has_no_hash() -> None:
    with pytest.raises(BadJson):
        content_hash({"content": {"a": b"bytes"}})
