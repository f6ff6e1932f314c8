"""What the server says of its own keys."""

from __future__ import annotations

import json

from federation.keys.own_keys import VALIDITY_MS, OwnKeys, RetiredKey
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.signing import SigningKey, verify_signed_json
from tests.clock import START_MS, FakeClock
from tests.federation.key_servers import HERE, KeyServer, Setting

KEYS = [SigningKey.generate("new"), SigningKey.generate("other")]
OLD = RetiredKey("ed25519:old", SigningKey.generate("old").verify_key_base64, START_MS - 1)


def document(own: OwnKeys) -> JsonObject:
    decoded: JsonObject = json.loads(own.document())
    return decoded


def test_all_keys_are_published_and_sign() -> None:
    published = document(OwnKeys(HERE, KEYS, [OLD], FakeClock()))
    assert published["server_name"] == HERE
    assert published["verify_keys"] == {key.key_id: {"key": key.verify_key_base64} for key in KEYS}
    assert published["old_verify_keys"] == {
        OLD.key_id: {"key": OLD.verify_key, "expired_ts": OLD.expired_ms}
    }
    assert published["valid_until_ts"] == START_MS + VALIDITY_MS
    for key in KEYS:
        verify_signed_json(published, HERE, key.key_id, key.verify_key_base64)


def test_the_document_is_made_anew_after_half_of_its_validity() -> None:
    clock = FakeClock()
    own = OwnKeys(HERE, KEYS, [], clock)
    first = own.document()
    clock.advance(VALIDITY_MS / 2000 - 1)
    assert own.document() is first
    clock.advance(1)
    assert document(own)["valid_until_ts"] == clock.now_ms() + VALIDITY_MS


async def test_the_keys_are_told_to_whoever_asks_under_either_path(setting: Setting) -> None:
    here = KeyServer(setting, HERE)
    for path in ("", "/", "/ed25519:whatever"):
        response = await here.request("GET", f"/_matrix/key/v2/server{path}")
        assert response.json == document(here.own)


async def test_the_version_is_told_to_whoever_asks(setting: Setting) -> None:
    here = KeyServer(setting, HERE)
    response = await here.request("GET", "/_matrix/federation/v1/version")
    assert response.json == {"server": {"name": "Myelin", "version": "1.2.3"}}
