"""Knocking on rooms of other servers."""

from __future__ import annotations

import pytest

from federation.transport.errors import RemoteError
from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.ports.rooms.events import Standing
from tests.federation.membership.servers import FederatedServer, invite, join, knock, leave
from tests.rooms_fixture import Person, quoted, refused
from tests.sync_fixture import device

WITH_KNOCKING = [name for name, version in ROOM_VERSIONS.items() if version.knock_join_rule]
WITHOUT = [name for name, version in ROOM_VERSIONS.items() if not version.knock_join_rule]


async def a_room_to_knock_on(bob: Person, version: str = "12") -> str:
    return await bob.creates_room(
        preset="private_chat",
        room_version=version,
        name="Den",
        initial_state=[
            {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        ],
    )


@pytest.mark.parametrize("version", WITH_KNOCKING)
async def test_a_knock_is_answered_by_an_invite_that_leads_in(
    here: FederatedServer, there: FederatedServer, version: str
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    phone = await device(alice)
    room = await a_room_to_knock_on(bob, version)
    response = await knock(alice, room, there)
    assert response.status == 200, response.json
    assert await there.membership(room, alice) == "knock"
    told = (await phone.sync()).room(room, "knock")["knock_state"]["events"]
    assert {e["type"] for e in told} >= {"m.room.create", "m.room.name", "m.room.member"}
    assert (await invite(bob, room, alice)).status == 200
    assert room in (await phone.sync()).rooms("invite")
    assert (await join(alice, room)).status == 200
    assert (await phone.sync()).timeline(room)[-1]["content"]["membership"] == "join"


@pytest.mark.parametrize("version", WITHOUT)
async def test_older_rooms_are_not_knocked_on(
    here: FederatedServer, there: FederatedServer, version: str
) -> None:
    room = await there.person("bob").creates_room(preset="private_chat", room_version=version)
    assert refused(await knock(here.person("alice"), room, there)) == (403, "M_FORBIDDEN")


async def test_a_knock_is_retracted(here: FederatedServer, there: FederatedServer) -> None:
    alice = here.person("alice")
    phone = await device(alice)
    room = await a_room_to_knock_on(there.person("bob"))
    await knock(alice, room, there)
    await phone.sync()
    assert (await leave(alice, room)).status == 200
    assert await there.membership(room, alice) == "leave"
    assert room in (await phone.sync()).rooms("leave")


async def test_a_room_that_is_not_open_to_knocks_refuses_them(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await there.person("bob").creates_room(preset="private_chat")
    assert refused(await knock(here.person("alice"), room, there)) == (403, "M_FORBIDDEN")
    assert here.rows("SELECT room_id FROM rooms") == []


async def test_a_banned_user_does_not_knock(here: FederatedServer, there: FederatedServer) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    room = await a_room_to_knock_on(bob)
    await bob.bans(room, alice)
    assert refused(await knock(alice, room, there)) == (403, "M_FORBIDDEN")


async def test_a_server_that_does_not_know_the_version_is_told_so(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await a_room_to_knock_on(there.person("bob"))
    with pytest.raises(RemoteError) as raised:
        await here.asks(there, "GET", "make_knock", room, "@alice:here.test:8448", ver=["7"])
    assert raised.value.remote_errcode == "M_INCOMPATIBLE_ROOM_VERSION"


async def test_a_room_that_one_knocked_on_can_be_forgotten_after_retracting(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice = here.person("alice")
    room = await a_room_to_knock_on(there.person("bob"))
    await knock(alice, room, there)
    forget = f"/rooms/{quoted(room)}/forget"
    assert refused(await alice.post(forget)) == (400, "M_UNKNOWN")
    await leave(alice, room)
    assert (await alice.post(forget)).status == 200


async def test_a_knock_is_relayed(here: FederatedServer, there: FederatedServer) -> None:
    room = await a_room_to_knock_on(there.person("bob"))
    await knock(here.person("alice"), room, there)
    event = await there.newest(room)
    assert there.relays.relayed == [event.event_id]
    assert await there.hears(room, event) is Standing.ACCEPTED
