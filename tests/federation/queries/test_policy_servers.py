"""Policy servers are asked whether to send an event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homeserver.domain.errors import BadJson, Forbidden, NotFound, UnableToRetrieve
from homeserver.domain.event_signatures import sign_event
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.identifiers import ServerName
from homeserver.domain.policy_servers import (
    POLICY_KEY_ID,
    PolicyServer,
    is_recommended,
    policy_server,
)
from homeserver.domain.room_versions import DEFAULT_ROOM_VERSION, room_version
from homeserver.domain.signing import SigningKey
from tests.federation.queries.conftest import Town
from tests.federation.transport.internet import Received, Reply
from tests.rooms_fixture import SERVER

KEY = SigningKey.generate("policy_server")
POLICY = PolicyServer(SERVER, KEY.verify_key_base64)
CONTENT = {"via": SERVER, "public_keys": {"ed25519": KEY.verify_key_base64}}


async def an_event(town: Town, type: str = "m.room.message") -> Event:
    alice = town.there.person("alice")
    room_id = await alice.creates_room()
    key = "" if type == "m.room.policy" else None
    await town.there.appends(room_id, alice.user_id, type, {"body": "hi"}, key)
    return (await town.there.timeline(room_id))[-1].event


def signs(key: SigningKey) -> Any:
    def answer(received: Received) -> Reply:
        pdu = json.loads(received.body)
        event = parse_pdu(pdu, room_version(DEFAULT_ROOM_VERSION))
        signatures = sign_event(event, SERVER, key).pdu_object()["signatures"]
        told = {SERVER: {key.key_id: signatures[SERVER][key.key_id]}}
        return Reply(body=json.dumps(told).encode())

    return answer


async def test_a_recommended_event_has_one_signature_more(town: Town) -> None:
    town.answers(signs(KEY))
    event = await an_event(town)
    signed = await town.here.policy_servers.recommended(event, POLICY)
    assert signed.event_id == event.event_id
    assert set(signed.pdu_object()["signatures"][SERVER]) == {"ed25519:a_1", POLICY_KEY_ID}
    assert is_recommended(signed, POLICY)
    assert not is_recommended(event, POLICY)
    assert town.received[0].target == "/_matrix/policy/v1/sign"
    await town.here.policy_servers.recommended(signed, POLICY)
    assert len(town.received) == 1


async def test_what_chooses_the_policy_server_needs_no_recommendation(town: Town) -> None:
    event = await an_event(town, "m.room.policy")
    assert await town.here.policy_servers.recommended(event, POLICY) is event


@pytest.mark.parametrize(
    ("errcode", "error"),
    [("M_FORBIDDEN", Forbidden), ("M_BAD_JSON", BadJson), ("M_NOT_FOUND", NotFound)],
)
async def test_what_a_policy_server_refuses_is_told_as_it_said_it(
    town: Town, errcode: str, error: type[Exception]
) -> None:
    body = {"errcode": errcode, "error": "looks like spam"}
    town.answers(Reply(400, json.dumps(body).encode()))
    event = await an_event(town)
    with pytest.raises(error, match="looks like spam"):
        await town.here.policy_servers.recommended(event, POLICY)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"{}"),
        Reply(body=b'{"hs":{"ed25519:policy_server":5}}'),
        Reply(body=b'{"hs":{"ed25519:policy_server":"abc"}}'),
        Reply(500),
        signs(SigningKey.generate("policy_server")),
        signs(SigningKey.generate("other")),
    ],
)
async def test_without_a_good_signature_an_event_is_not_recommended(town: Town, reply: Any) -> None:
    town.answers(reply)
    event = await an_event(town)
    with pytest.raises(UnableToRetrieve):
        await town.here.policy_servers.recommended(event, POLICY)


def test_a_room_uses_a_policy_server_that_has_a_user_in_it() -> None:
    assert policy_server(CONTENT, {SERVER}) == POLICY
    assert policy_server(CONTENT, {ServerName("elsewhere")}) is None
    assert policy_server(None, {SERVER}) is None
    for broken in (
        {},
        {**CONTENT, "via": 5},
        {**CONTENT, "via": "not a server"},
        {**CONTENT, "public_keys": "none"},
        {**CONTENT, "public_keys": {"ed25519": None}},
    ):
        assert policy_server(broken, {SERVER}) is None
