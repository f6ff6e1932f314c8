"""Cross-signing, over HTTP."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.signing import SigningKey, sign_json
from tests.homeserver.accounts import PASSWORD
from tests.homeserver.encryption import ClientDevice, EncryptionServer, signing_key
from tests.http_requests import Response
from tests.rooms_fixture import refused

UPLOAD = "/keys/device_signing/upload"
SIGNATURES = "/keys/signatures/upload"


@attrs.frozen
class Identity:
    """The cross-signing keys of a user."""

    device: ClientDevice
    master: SigningKey
    self_signing: SigningKey
    user_signing: SigningKey

    @classmethod
    def of(cls, device: ClientDevice, name: str) -> Identity:
        keys = [_under_its_name(signing_key(name + letter)) for letter in "MSU"]
        return cls(device, *keys)

    def key(self, usage: str, *signers: SigningKey) -> JsonObject:
        """The object of one of the keys."""
        signing: SigningKey = getattr(self, usage)
        public = signing.verify_key_base64
        user_id = self.device.user_id
        key: JsonObject = {
            "user_id": user_id,
            "usage": [usage],
            "keys": {f"ed25519:{public}": public},
        }
        for signer in signers:
            key = sign_json(key, user_id, signer)
        return key

    @property
    def body(self) -> JsonObject:
        """All keys, to upload."""
        return {
            "master_key": self.key("master"),
            "self_signing_key": self.key("self_signing", self.master),
            "user_signing_key": self.key("user_signing", self.master),
        }


def _under_its_name(key: SigningKey) -> SigningKey:
    return SigningKey.from_seed(key.verify_key_base64, key.seed_base64)


async def published(device: ClientDevice, name: str) -> Identity:
    """A device with cross-signing keys and keys of its own."""
    identity = Identity.of(device, name)
    assert (await device.post(UPLOAD, identity.body)).status == 200
    return identity


async def seen_by(device: ClientDevice, user_id: str) -> JsonObject:
    response = await device.post("/keys/query", {"device_keys": {user_id: []}})
    return dict(response.json)


def with_password(body: JsonObject, first: Response, user: str) -> JsonObject:
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": PASSWORD,
        "session": first.json["session"],
    }
    return {**body, "auth": auth}


async def test_the_first_keys_need_no_authentication(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    identity = Identity.of(alice, "alice")

    for _ in range(2):
        done = await alice.post(UPLOAD, identity.body)
        assert (done.status, done.json) == (200, {})

    own = await seen_by(alice, alice.user_id)
    for usage in ("master", "self_signing", "user_signing"):
        expected = identity.body[f"{usage}_key"]
        assert own[f"{usage}_keys"] == {alice.user_id: expected}
    others = await seen_by(bob, alice.user_id)
    assert others["master_keys"] == own["master_keys"]
    assert others["self_signing_keys"] == own["self_signing_keys"]
    assert others["user_signing_keys"] == {}


async def test_other_keys_need_authentication(encryption: EncryptionServer) -> None:
    alice = await encryption.device("alice")
    await published(alice, "alice")
    other = Identity.of(alice, "other")

    first = await alice.post(UPLOAD, other.body)
    assert first.status == 401
    assert first.json["flows"] == [{"stages": ["m.login.password"]}]
    assert (await seen_by(alice, alice.user_id))["master_keys"] != {
        alice.user_id: other.key("master")
    }

    done = await alice.post(UPLOAD, with_password(other.body, first, "alice"))
    assert (done.status, done.json) == (200, {})
    assert (await seen_by(alice, alice.user_id))["master_keys"] == {
        alice.user_id: other.key("master")
    }


async def test_a_key_added_to_a_master_key_needs_authentication(
    encryption: EncryptionServer,
) -> None:
    alice = await encryption.device("alice")
    identity = Identity.of(alice, "alice")
    await alice.post(UPLOAD, {"master_key": identity.key("master")})

    added = {"self_signing_key": identity.key("self_signing", identity.master)}
    first = await alice.post(UPLOAD, added)
    assert first.status == 401
    done = await alice.post(UPLOAD, with_password(added, first, "alice"))
    assert done.status == 200
    assert (await seen_by(alice, alice.user_id))["self_signing_keys"]


async def test_another_master_key_takes_the_keys_of_the_old_one_away(
    encryption: EncryptionServer,
) -> None:
    alice = await encryption.device("alice")
    await published(alice, "alice")
    body = {"master_key": Identity.of(alice, "other").key("master")}
    first = await alice.post(UPLOAD, body)

    await alice.post(UPLOAD, with_password(body, first, "alice"))

    seen = await seen_by(alice, alice.user_id)
    assert seen["master_keys"]
    assert (seen["self_signing_keys"], seen["user_signing_keys"]) == ({}, {})


async def test_keys_the_master_key_did_not_sign_are_refused(
    encryption: EncryptionServer,
) -> None:
    alice = await encryption.device("alice")
    identity, other = Identity.of(alice, "alice"), Identity.of(alice, "other")
    unsigned = {**identity.body, "self_signing_key": identity.key("self_signing")}
    forged = {**identity.body, "user_signing_key": identity.key("user_signing", other.master)}
    alone = {"self_signing_key": identity.key("self_signing", identity.master)}

    assert refused(await alice.post(UPLOAD, unsigned)) == (400, "M_INVALID_SIGNATURE")
    assert refused(await alice.post(UPLOAD, forged)) == (400, "M_INVALID_SIGNATURE")
    assert refused(await alice.post(UPLOAD, alone)) == (400, "M_MISSING_PARAM")


async def test_a_key_and_a_device_never_have_the_same_name(encryption: EncryptionServer) -> None:
    alice = await encryption.device("alice")
    identity = Identity.of(alice, "alice")
    public = identity.self_signing.verify_key_base64
    namesake = await encryption.device("alice", public)

    assert refused(await alice.post(UPLOAD, identity.body)) == (403, "M_FORBIDDEN")

    await encryption.device_store.delete(alice.user_id, [namesake.device_id])
    assert (await alice.post(UPLOAD, identity.body)).status == 200
    namesake = await encryption.device("alice", public)
    keys = {"device_keys": namesake.identity_keys()}
    assert refused(await namesake.post("/keys/upload", keys)) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "@bob:hs"},
        {"usage": ["self_signing"]},
        {"usage": "master"},
        {"keys": {}},
        {"keys": {"ed25519:a": "a"}},
        {"keys": {"ed25519:a": "b"}},
        {"keys": {"a": "a", "b": "b"}},
        {"signatures": "none"},
    ],
)
async def test_malformed_keys_are_refused(
    encryption: EncryptionServer, change: dict[str, Any]
) -> None:
    alice = await encryption.device("alice")
    key = {**Identity.of(alice, "alice").key("master"), **change}

    response = await alice.post(UPLOAD, {"master_key": key})

    assert response.status == 400


async def test_signatures_become_part_of_own_keys(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(alice, bob)
    device_key = signing_key("phone", "PHONE")
    await alice.uploads(device_keys=alice.identity_keys(device_key))
    identity = await published(alice, "alice")
    token = await bob.is_up_to_date()
    signed_device = sign_json(alice.identity_keys(device_key), alice.user_id, identity.self_signing)
    signed_master = identity.key("master", device_key)

    done = await alice.post(
        SIGNATURES,
        {
            alice.user_id: {
                alice.device_id: signed_device,
                identity.master.verify_key_base64: signed_master,
            }
        },
    )

    assert (done.status, done.json) == (200, {"failures": {}})
    assert (await bob.sync(token)).changed == [alice.user_id]
    seen = await seen_by(bob, alice.user_id)
    assert seen["device_keys"][alice.user_id][alice.device_id] == signed_device
    assert seen["master_keys"][alice.user_id] == signed_master
    # The same keys again keep the signatures that they have got.
    await alice.uploads(device_keys=alice.identity_keys(device_key))
    seen = await seen_by(bob, alice.user_id)
    assert seen["device_keys"][alice.user_id][alice.device_id] == signed_device


async def test_signatures_on_others_are_for_their_makers(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    carol = await encryption.device("carol")
    await encryption.room(alice, bob, carol)
    of_alice, of_bob = await published(alice, "alice"), await published(bob, "bob")
    tokens = {device: await device.is_up_to_date() for device in (alice, bob, carol)}
    signed = sign_json(of_bob.key("master"), alice.user_id, of_alice.user_signing)

    done = await alice.post(SIGNATURES, {bob.user_id: {of_bob.master.verify_key_base64: signed}})

    assert done.json == {"failures": {}}
    assert (await seen_by(alice, bob.user_id))["master_keys"] == {bob.user_id: signed}
    for other in (bob, carol):
        assert (await seen_by(other, bob.user_id))["master_keys"] == {
            bob.user_id: of_bob.key("master")
        }
        assert not await other.has_news(tokens[other])
    assert (await alice.sync(tokens[alice])).changed == [bob.user_id]


async def test_signatures_that_cannot_be_taken_are_told_with_their_reasons(
    encryption: EncryptionServer,
) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    device_key = signing_key("phone", "PHONE")
    await alice.uploads(device_keys=alice.identity_keys(device_key))
    await bob.uploads(device_keys=bob.identity_keys())
    of_alice, of_bob = await published(alice, "alice"), await published(bob, "bob")
    identity_keys = alice.identity_keys(device_key)
    by_wrong_key = sign_json(identity_keys, alice.user_id, of_alice.user_signing)
    forged = sign_json(identity_keys, alice.user_id, of_alice.self_signing)
    public = of_alice.self_signing.verify_key_base64
    forged["signatures"][alice.user_id][f"ed25519:{public}"] = "A" * 86
    changed = sign_json(of_bob.key("master"), alice.user_id, of_alice.user_signing)
    changed["usage"] = ["master", "more"]
    bobs_master = of_bob.master.verify_key_base64

    async def failure(user_id: str, key_id: str, signed: JsonObject) -> str:
        response = await alice.post(SIGNATURES, {user_id: {key_id: signed}})
        assert response.status == 200
        return str(response.json["failures"][user_id][key_id]["errcode"])

    assert await failure(alice.user_id, "PHONE", by_wrong_key) == "M_INVALID_SIGNATURE"
    assert await failure(alice.user_id, "PHONE", forged) == "M_INVALID_SIGNATURE"
    unsigned = {**identity_keys, "signatures": {}}
    assert await failure(alice.user_id, "PHONE", unsigned) == "M_INVALID_SIGNATURE"
    malformed = {**identity_keys, "signatures": 5}
    assert await failure(alice.user_id, "PHONE", malformed) == "M_INVALID_PARAM"
    assert await failure(alice.user_id, "NO_DEVICE", identity_keys) == "M_NOT_FOUND"
    assert await failure(bob.user_id, bobs_master, changed) == "M_INVALID_PARAM"
    assert await failure(bob.user_id, "PHONE", bob.identity_keys()) == "M_NOT_FOUND"
    assert await failure("@nobody:hs", bobs_master, changed) == "M_NOT_FOUND"


async def test_what_is_right_is_taken_beside_what_is_wrong(encryption: EncryptionServer) -> None:
    alice = await encryption.device("alice")
    device_key = signing_key("phone", "PHONE")
    await alice.uploads(device_keys=alice.identity_keys(device_key))
    identity = await published(alice, "alice")
    signed = sign_json(alice.identity_keys(device_key), alice.user_id, identity.self_signing)

    done = await alice.post(SIGNATURES, {alice.user_id: {"PHONE": signed, "X": signed}})

    assert list(done.json["failures"][alice.user_id]) == ["X"]
    seen = await seen_by(alice, alice.user_id)
    assert seen["device_keys"][alice.user_id]["PHONE"] == signed


@pytest.mark.parametrize("body", [{"@a:hs": []}, {"@a:hs": {"X": 1}}, {"alice": {}}])
async def test_malformed_signatures_are_refused(encryption: EncryptionServer, body: Any) -> None:
    alice = await encryption.device("alice")

    assert (await alice.post(SIGNATURES, body)).status == 400


async def test_keys_go_with_the_account(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(alice, bob)
    await published(alice, "alice")
    token = await bob.is_up_to_date()

    await encryption.traces.user_deactivated(alice.user_id)

    assert (await seen_by(bob, alice.user_id))["master_keys"] == {}
    assert (await bob.sync(token)).changed == [alice.user_id]
