"""Users ask about the users and aliases of another server."""

from __future__ import annotations

import json

import pytest

from homeserver.domain.errors import Forbidden, NotFound, UnableToRetrieve
from homeserver.domain.identifiers import RoomAlias, RoomId, UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.rooms.actor import NewEvent
from tests.deferreds import together
from tests.federation.queries.conftest import Town
from tests.federation.resident import OTHER
from tests.federation.transport.internet import Reply
from tests.rooms_fixture import SERVER

CAROL = UserId(f"@carol:{SERVER}")
GARDEN = RoomAlias(f"#garden:{SERVER}")


def profile(**fields: object) -> Reply:
    return Reply(body=json.dumps(fields).encode())


async def test_a_profile_is_asked_for(town: Town) -> None:
    town.open()
    await town.there.accounts.register(NewAccount(CAROL, 1), None)
    await town.there.real_profiles.set_field(CAROL, "displayname", "Carol")
    assert await town.here.profiles.fields(CAROL) == {"displayname": "Carol"}
    assert await town.here.profiles.field(CAROL, "displayname") == "Carol"
    with pytest.raises(NotFound):
        await town.here.profiles.field(CAROL, "avatar_url")


async def test_nobody_is_not_found(town: Town) -> None:
    town.open()
    with pytest.raises(NotFound):
        await town.here.profiles.fields(CAROL)


async def test_a_profile_is_remembered_for_a_while(town: Town) -> None:
    town.answers(profile(displayname="Carol", avatar_url=3, status=None))
    first, second = await together(
        town.here.profiles.fields(CAROL), town.here.profiles.fields(CAROL)
    )
    assert first == second == {"displayname": "Carol"}
    assert len(town.received) == 1
    town.here.clock.advance(301)
    await town.here.profiles.fields(CAROL)
    assert len(town.received) == 2


async def test_that_there_is_nobody_is_remembered_for_a_while(town: Town) -> None:
    town.answers(Reply(404, b'{"errcode":"M_NOT_FOUND","error":"no"}'))
    for _ in range(2):
        with pytest.raises(NotFound):
            await town.here.profiles.fields(CAROL)
    assert len(town.received) == 1


async def test_a_server_may_keep_profiles_to_itself(town: Town) -> None:
    town.answers(Reply(403, b'{"errcode":"M_FORBIDDEN","error":"no"}'))
    with pytest.raises(Forbidden):
        await town.here.profiles.fields(CAROL)


@pytest.mark.parametrize("reply", [Reply(body=b"[]"), Reply(500, b"{}"), Reply(429, b"{}")])
async def test_a_server_that_answers_nonsense_is_as_good_as_away(town: Town, reply: Reply) -> None:
    town.answers(reply)
    with pytest.raises(UnableToRetrieve) as raised:
        await town.here.profiles.fields(CAROL)
    assert (raised.value.status, raised.value.errcode) == (502, "M_UNKNOWN")


async def test_while_a_server_is_away_rooms_show_its_users(town: Town) -> None:
    here = town.here
    content = {"membership": "join", "displayname": "Carol", "avatar_url": "mxc://hs/a"}
    _, _, committed = here.directory.create(
        "11",
        NewEvent("m.room.create", CAROL, {"room_version": "11"}, ""),
        lambda room_id: [NewEvent("m.room.member", CAROL, content, CAROL)],
        room_id=RoomId(f"!room:{SERVER}"),
        published=False,
    )
    await committed
    assert await here.profiles.fields(CAROL) == {
        "displayname": "Carol",
        "avatar_url": "mxc://hs/a",
    }


async def test_an_alias_leads_to_its_room_and_the_servers_in_it(town: Town) -> None:
    town.open()
    alice = town.there.person("alice")
    room_id = await town.there.shared_room(alice, room_alias_name="garden")
    found = await town.here.aliases.located(f"#garden:{SERVER}")
    assert (found.room_id, found.servers) == (room_id, (SERVER, OTHER))
    missing = RoomAlias(f"#desert:{SERVER}")
    assert await town.here.aliases.resolve_all([GARDEN, missing]) == {GARDEN: room_id}
    with pytest.raises(NotFound):
        await town.here.aliases.find(missing)


async def test_what_makes_no_sense_in_the_answer_is_left_out(town: Town) -> None:
    servers = ["a.example", 5, "not a server", SERVER]
    body = {"room_id": "!room:hs", "servers": servers}
    town.answers(Reply(body=json.dumps(body).encode()))
    found = await town.here.aliases.find(GARDEN)
    assert found.servers == ("a.example", SERVER)


@pytest.mark.parametrize(
    "reply", [Reply(body=b'{"servers":[]}'), Reply(body=b'{"room_id":"nonsense"}'), Reply(503)]
)
async def test_an_alias_whose_server_answers_nonsense_cannot_be_found(
    town: Town, reply: Reply
) -> None:
    town.answers(reply)
    with pytest.raises(UnableToRetrieve):
        await town.here.aliases.find(GARDEN)
    assert await town.here.aliases.resolve_all([GARDEN]) == {}


async def test_a_server_that_is_not_there_or_not_talked_to_is_not_asked(town: Town) -> None:
    with pytest.raises(UnableToRetrieve):
        await town.here.aliases.find(RoomAlias("#garden:nowhere.example"))
    with pytest.raises(Forbidden):
        await town.here.aliases.find(RoomAlias("#garden:denied.example"))
