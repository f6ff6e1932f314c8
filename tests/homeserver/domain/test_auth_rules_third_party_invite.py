from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.auth_rules.third_party_invite import MAX_SIGNATURE_CHECKS
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from homeserver.domain.identifiers import UserId
from homeserver.domain.signing import SigningKey, decode_base64, encode_base64, sign_json
from tests.homeserver.domain.authorising import assert_forbidden, is_allowed, versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, Branch, a_room

IDENTITY_KEY = SigningKey.from_seed("0", "1" * 43)
OTHER_KEY = SigningKey.from_seed("0", "2" * 43)
PUBLIC_KEY = IDENTITY_KEY.verify_key_base64


def a_room_with_invite(version: str, **content: Any) -> Branch:
    """A room in which Alice invited somebody by a third-party identifier."""
    branch = a_room(version)
    branch.send(
        "m.room.third_party_invite", ALICE, content or {"public_key": PUBLIC_KEY}, "the token"
    )
    return branch


def signed(key: SigningKey = IDENTITY_KEY, **fields: Any) -> JsonObject:
    obj = {"mxid": BOB, "token": "the token", "sender": ALICE, **fields}
    return sign_json(obj, "identity.example", key)


def invite_of_bob(branch: Branch, third_party_invite: Any, sender: UserId = ALICE) -> Event:
    content = {"membership": "invite", "third_party_invite": third_party_invite}
    return branch.draft("m.room.member", sender, content, BOB)


@versions()
def test_who_proves_to_be_the_invited_third_party_is_invited(version: str) -> None:
    branch = a_room_with_invite(version)
    assert is_allowed(branch, invite_of_bob(branch, {"signed": signed()}))


@versions()
@pytest.mark.parametrize(
    "content",
    [
        {"public_keys": [{"public_key": OTHER_KEY.verify_key_base64}, {"public_key": PUBLIC_KEY}]},
        {"public_key": OTHER_KEY.verify_key_base64, "public_keys": [{"public_key": PUBLIC_KEY}]},
        {"public_key": PUBLIC_KEY, "public_keys": "none"},
        {"public_key": 1, "public_keys": [1, {}, {"public_key": PUBLIC_KEY}]},
        {"public_key": encode_base64(decode_base64(PUBLIC_KEY), urlsafe=True)},
    ],
)
def test_any_public_key_of_the_invite_is_good(version: str, content: JsonObject) -> None:
    branch = a_room_with_invite(version, **content)
    assert is_allowed(branch, invite_of_bob(branch, {"signed": signed()}))


@versions()
def test_the_invite_holds_after_its_sender_left(version: str) -> None:
    branch = a_room_with_invite(version)
    branch.leave(ALICE)
    assert is_allowed(branch, invite_of_bob(branch, {"signed": signed()}))


@versions()
def test_the_banned_are_not_invited_by_third_party_identifiers(version: str) -> None:
    branch = a_room_with_invite(version)
    branch.ban(ALICE, BOB)
    assert_forbidden(branch, invite_of_bob(branch, {"signed": signed()}), "banned")


@versions()
@pytest.mark.parametrize(
    "third_party_invite",
    [
        None,
        "x",
        {},
        {"signed": None},
        {"signed": {}},
        {"signed": {"mxid": BOB}},
        {"signed": {"token": "the token"}},
    ],
)
def test_a_malformed_third_party_invite_is_refused(version: str, third_party_invite: Any) -> None:
    branch = a_room_with_invite(version)
    assert_forbidden(branch, invite_of_bob(branch, third_party_invite), "no signed user ID")


@versions()
def test_the_proof_of_another_user_is_refused(version: str) -> None:
    branch = a_room_with_invite(version)
    event = invite_of_bob(branch, {"signed": signed(mxid=CAROL)})
    assert_forbidden(branch, event, "for another user")


@versions()
@pytest.mark.parametrize("token", ["another token", 1, None, ["the token"]])
def test_a_token_that_the_room_does_not_have_is_refused(version: str, token: Any) -> None:
    branch = a_room_with_invite(version)
    event = invite_of_bob(branch, {"signed": signed(token=token)})
    assert_forbidden(branch, event, "no third-party invite with this token")


@versions()
def test_only_who_sent_the_third_party_invite_completes_it(version: str) -> None:
    branch = a_room_with_invite(version)
    branch.join(CAROL)
    event = invite_of_bob(branch, {"signed": signed()}, sender=CAROL)
    assert_forbidden(branch, event, "sent by another user")


@versions()
@pytest.mark.parametrize(
    "proof",
    [
        signed(OTHER_KEY),
        {**signed(), "sender": CAROL},
        {**signed(), "signatures": {}},
        {**signed(), "signatures": {"identity.example": "x"}},
        {**signed(), "signatures": {"identity.example": {"ed25519:0": 1, "ed25519:1": "x"}}},
        {**signed(), "signatures": None},
    ],
)
def test_a_wrong_signature_is_refused(version: str, proof: JsonObject) -> None:
    branch = a_room_with_invite(version)
    assert_forbidden(branch, invite_of_bob(branch, {"signed": proof}), "not signed with a key")


def test_any_of_several_signatures_is_good() -> None:
    branch = a_room_with_invite("12")
    proof = sign_json(signed(OTHER_KEY), "other.example", IDENTITY_KEY)
    assert is_allowed(branch, invite_of_bob(branch, {"signed": proof}))


def test_a_flood_of_keys_does_not_keep_the_server_busy() -> None:
    other_keys = [{"public_key": OTHER_KEY.verify_key_base64}] * MAX_SIGNATURE_CHECKS
    branch = a_room_with_invite("12", public_keys=[*other_keys, {"public_key": PUBLIC_KEY}])
    event = invite_of_bob(branch, {"signed": signed()})
    assert_forbidden(branch, event, "not signed with a key")
