from __future__ import annotations

import base64
import json

from nacl.signing import VerifyKey

from synctest.client import Client
from synctest.connection import Homeserver, JsonObject
from synctest.device_keys import CLAIMED, DeviceKeys, cross_signing_keys

ALICE = Client(Homeserver("http://127.0.0.1:1"), "@alice:example.org", "LAPTOP", "token")


def check_signature(signed: JsonObject, key_id: str, public_key: str) -> None:
    """Raises nacl's BadSignatureError unless the key has signed the object."""
    value = {name: member for name, member in signed.items() if name != "signatures"}
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    signature = signed["signatures"][ALICE.user_id][key_id]
    VerifyKey(decoded(public_key)).verify(canonical, decoded(signature))


def decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def test_a_device_signs_its_keys() -> None:
    keys = DeviceKeys(ALICE)
    identity = keys.identity()
    public_key = identity["keys"]["ed25519:LAPTOP"]
    for signed in (identity, *keys.one_time(2).values(), *keys.fallback().values()):
        check_signature(signed, "ed25519:LAPTOP", public_key)


def test_keys_to_be_claimed_have_ids_of_their_own() -> None:
    keys = DeviceKeys(ALICE)
    key_ids = {*keys.one_time(20), *keys.one_time(20), *keys.fallback()}
    assert len(key_ids) == 41
    assert all(key_id.startswith(f"{CLAIMED}:") for key_id in key_ids)


def test_the_master_key_signs_the_cross_signing_keys() -> None:
    keys = cross_signing_keys(ALICE.user_id)
    [(master_id, master)] = keys["master_key"]["keys"].items()
    assert keys.keys() == {"master_key", "self_signing_key", "user_signing_key"}
    for signed in keys.values():
        check_signature(signed, master_id, master)
