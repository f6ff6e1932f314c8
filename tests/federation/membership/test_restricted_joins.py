"""Joining rooms that let in the members of other rooms, with the help of servers in them."""

from __future__ import annotations

import pytest

from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.ports.rooms.events import Standing
from tests.federation.membership.servers import FederatedServer, World, join
from tests.rooms_fixture import Person, refused

RESTRICTED = [name for name, version in ROOM_VERSIONS.items() if version.restricted_join_rule]


async def restricted(
    bob: Person, *allowed: str, version: str = "12", rule: str = "restricted"
) -> str:
    """A room for the members of other rooms."""
    allow = [{"type": "m.room_membership", "room_id": room} for room in allowed]
    rules = {"join_rule": rule, "allow": allow}
    return await bob.creates_room(
        preset="private_chat",
        room_version=version,
        initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rules}],
    )


@pytest.mark.parametrize("version", RESTRICTED)
async def test_the_resident_server_vouches_for_who_meets_a_condition(
    here: FederatedServer, there: FederatedServer, version: str
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    club = await bob.creates_room(preset="public_chat", room_version=version)
    await join(alice, club, there)
    room = await restricted(bob, club, version=version)
    response = await join(alice, room, there)
    assert response.status == 200, response.json
    content = await here.content(room, "m.room.member", alice.user_id)
    assert content["join_authorised_via_users_server"] == bob.user_id
    joined = (await here.newest(room)).pdu_object()["signatures"]
    assert set(joined) == {here.server_name, there.server_name}
    assert await here.current_state(room) == await there.current_state(room)


async def test_who_meets_no_condition_is_refused(
    here: FederatedServer, there: FederatedServer
) -> None:
    bob = there.person("bob")
    club = await bob.creates_room(preset="public_chat")
    room = await restricted(bob, club)
    assert refused(await join(here.person("alice"), room, there)) == (403, "M_FORBIDDEN")


async def test_a_server_that_knows_none_of_the_conditions_says_so(
    here: FederatedServer, there: FederatedServer
) -> None:
    room = await restricted(there.person("bob"), "!elsewhere:other.test")
    assert refused(await join(here.person("alice"), room, there)) == (
        400,
        "M_UNABLE_TO_AUTHORISE_JOIN",
    )


async def test_a_server_without_anybody_who_may_invite_says_so(
    here: FederatedServer, there: FederatedServer, world: World
) -> None:
    alice, bob = here.person("alice"), there.person("bob")
    carol = world.server("other.test").person("carol")
    club = await bob.creates_room(preset="public_chat")
    await join(alice, club, there)
    await join(carol, club, there)
    room = await restricted(bob, club)
    await bob.sets(room, "m.room.power_levels", {"invite": 50})
    assert (await join(carol, room, there)).status == 200
    other = world.servers[-1]
    alices_join = (await there.timeline(club))[-2].event
    assert await other.membership(club, alice) == "join", alices_join
    refusal = await join(alice, room, other)
    assert refused(refusal) == (400, "M_UNABLE_TO_GRANT_JOIN")
    assert (await join(alice, room, other, there)).status == 200


async def test_a_server_in_the_room_asks_another_when_it_cannot_vouch_itself(
    here: FederatedServer, there: FederatedServer
) -> None:
    alice, bob, dora = here.person("alice"), there.person("bob"), here.person("dora")
    club = await bob.creates_room(preset="public_chat")
    for person in (alice, dora):
        await join(person, club, there)
    assert await there.hears(club, await here.newest(club)) is Standing.ACCEPTED
    room = await restricted(bob, club)
    await bob.sets(room, "m.room.power_levels", {"invite": 50})
    assert (await join(alice, room, there)).status == 200
    response = await join(dora, room)
    assert response.status == 200, response.json
    assert await here.membership(room, dora) == "join"
    assert here.relays.withheld[-1] == (await here.newest(room)).event_id
    assert await here.current_state(room) == await there.current_state(room)
