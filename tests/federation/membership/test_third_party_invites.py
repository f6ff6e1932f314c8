"""Invites of addresses that belong to users of other servers."""

from __future__ import annotations

from typing import Any

import pytest

from federation.transport.errors import RemoteError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey, sign_json
from tests.federation.membership.servers import FederatedServer
from tests.rooms_fixture import Person, quoted

IDENTITY = ServerName("identity.test")
KEY = SigningKey.generate("0")
TOKEN = "abracadabra"


async def inviting(bob: Person, version: str = "12") -> str:
    """A room with an invite of an address."""
    room = await bob.creates_room(preset="private_chat", room_version=version)
    content = {
        "display_name": "a...@mail",
        "key_validity_url": "https://identity.test/valid",
        "public_key": KEY.verify_key_base64,
        "public_keys": [{"public_key": KEY.verify_key_base64}],
    }
    await bob.sets(room, "m.room.third_party_invite", content, TOKEN)
    return room


def signed(alice: Person, key: SigningKey = KEY, **change: str) -> JsonObject:
    """What the identity server says."""
    return sign_json({"mxid": alice.user_id, "token": TOKEN, **change}, IDENTITY, key)


def partial(room: str, bob: Person, alice: Person, proof: JsonObject) -> JsonObject:
    return {
        "type": "m.room.member",
        "room_id": room,
        "sender": bob.user_id,
        "state_key": alice.user_id,
        "content": {
            "membership": "invite",
            "third_party_invite": {"display_name": "alice", "signed": proof},
        },
    }


async def test_joining_with_a_proof_turns_the_invite_into_one_of_the_user(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await inviting(bob)
    body = {"third_party_signed": {**signed(alice), "sender": bob.user_id}}
    proof = sign_json({"mxid": alice.user_id, "token": TOKEN, "sender": bob.user_id}, IDENTITY, KEY)
    body = {"third_party_signed": proof}
    response = await alice.post(f"/join/{quoted(room)}?via={there.server_name}", body)
    assert response.status == 200, response.json
    invite = [
        stored.event
        for stored in await there.timeline(room)
        if stored.event.content.get("membership") == "invite"
    ]
    assert invite[0].content["third_party_invite"]["display_name"] == "a...@mail"
    assert await there.membership(room, alice) == "join"


async def test_an_identity_server_tells_of_an_address_that_was_bound(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await inviting(bob)
    invite = {
        "medium": "email",
        "address": "alice@mail.test",
        "mxid": alice.user_id,
        "room_id": room,
        "sender": bob.user_id,
        "signed": signed(alice),
    }
    await bound(there, here, alice, [invite, {"nonsense": 1}])
    assert await there.membership(room, alice) == "invite"


async def test_in_a_room_of_both_the_invite_needs_nobody_else(there: FederatedServer) -> None:
    bob, carol = there.person("bob"), there.person("carol")
    room = await inviting(bob)
    invite = {
        "mxid": carol.user_id,
        "room_id": room,
        "sender": bob.user_id,
        "signed": signed(carol),
    }
    await bound(there, there, carol, [invite])
    assert await there.membership(room, carol) == "invite"


async def bound(
    asks: FederatedServer, asked: FederatedServer, user: Person, invites: list[Any]
) -> None:
    body = {
        "medium": "email",
        "address": "a@mail.test",
        "mxid": user.user_id,
        "invites": invites,
    }
    dispatcher = asked.surface
    from tests.http_requests import make_request

    route, parameters = dispatcher.router.find("PUT", "/_matrix/federation/v1/3pid/onbind")
    request = make_request("PUT", "/_matrix/federation/v1/3pid/onbind", body, parameters=parameters)
    answer = await dispatcher.answer(route, request)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": "m.room.topic"}, (400, "M_INVALID_PARAM")),
        ({"room_id": "!other:there.test"}, (400, "M_INVALID_PARAM")),
        ({"sender": "@eve:elsewhere.test"}, (400, "M_INVALID_PARAM")),
        ({"state_key": "@eve:elsewhere.test"}, (400, "M_INVALID_PARAM")),
        ({"content": {"membership": "invite"}}, (400, "M_INVALID_PARAM")),
        ({"sender": "@mallory:there.test:8448"}, (403, "M_FORBIDDEN")),
    ],
    ids=["type", "room", "sender's server", "user's server", "no proof", "sender"],
)
async def test_what_is_no_third_party_invite_is_refused(
    here: FederatedServer,
    there: FederatedServer,
    change: JsonObject,
    expected: tuple[int, str],
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await inviting(bob)
    event = {**partial(room, bob, alice, signed(alice)), **change}
    assert await exchanged(here, there, room, event) == expected
    assert await there.membership(room, alice) == "leave"


@pytest.mark.parametrize(
    "proof",
    [
        lambda alice: signed(alice, SigningKey.generate("0")),
        lambda alice: signed(alice, mxid="@eve:here.test:8448"),
        lambda alice: signed(alice, token="other"),
        lambda alice: {**signed(alice), "token": "other"},
    ],
    ids=["key", "user", "token", "unsigned token"],
)
async def test_a_proof_that_is_none_is_refused(
    here: FederatedServer, there: FederatedServer, proof: Any
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await inviting(bob)
    event = partial(room, bob, alice, proof(alice))
    assert await exchanged(here, there, room, event) == (403, "M_FORBIDDEN")
    assert await there.membership(room, alice) == "leave"


async def exchanged(
    here: FederatedServer, there: FederatedServer, room: str, event: JsonObject
) -> tuple[int, str]:
    """How an exchange is refused."""
    with pytest.raises(RemoteError) as raised:
        await here.asks(there, "PUT", "exchange_third_party_invite", room, content=event)
    return raised.value.remote_status, raised.value.remote_errcode
