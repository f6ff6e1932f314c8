"""Device keys that are uploaded again."""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.device_keys import signs_the_same, updated_device_keys, with_signatures

KEYS: JsonObject = {"device_id": "PHONE", "keys": {"ed25519:PHONE": "a"}}


def test_the_same_keys_keep_the_signatures_they_got() -> None:
    stored = {**KEYS, "signatures": {"@a:hs": {"ed25519:PHONE": "1", "ed25519:self": "2"}}}
    uploaded = {**KEYS, "signatures": {"@a:hs": {"ed25519:PHONE": "3"}}}

    updated = updated_device_keys(stored, uploaded)

    assert updated["signatures"] == {"@a:hs": {"ed25519:PHONE": "3", "ed25519:self": "2"}}


def test_other_keys_begin_without_the_signatures_of_the_old_ones() -> None:
    stored = {**KEYS, "signatures": {"@a:hs": {"ed25519:self": "2"}}}
    uploaded = {**KEYS, "keys": {"ed25519:PHONE": "b"}, "signatures": {}}

    assert updated_device_keys(stored, uploaded) == uploaded
    assert updated_device_keys(None, uploaded) == uploaded


def test_signatures_do_not_tell_objects_apart() -> None:
    signed = with_signatures(KEYS, {"@a:hs": {"ed25519:x": "1"}})

    assert signs_the_same(KEYS, {**signed, "unsigned": {"age": 1}})
    assert not signs_the_same(KEYS, {**KEYS, "dehydrated": True})
    assert "signatures" not in KEYS
