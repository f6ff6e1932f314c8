"""Ways into rooms of other servers: back again, by another room, by knocking, by an upgrade."""

from __future__ import annotations

from synctest.client import Client
from synctest.connection import JsonObject
from synctest.federation.agreement import check_agreement, timeline_of
from synctest.federation.deeds import (
    ask,
    join_via,
    knock,
    must_fail,
    rooms_in_sync,
    see_invite,
    see_membership,
    server_of,
    set_membership,
)
from synctest.federation.scenario import Figures
from synctest.federation.scenarios.talking import shared_room
from synctest.federation.waiting import eventually
from synctest.federation.world import World

WHILE_AWAY = 30
BEFORE = 120


async def rejoin(world: World, room_version: str) -> Figures:
    """A server's only user leaves, misses much, comes back, and sees what was said meanwhile."""
    host, guest = await world.users("host", "guest")
    room_id = await shared_room([host, guest], room_version)
    await guest.say(room_id, "before")
    await guest.leave(room_id)
    await see_membership(host, room_id, guest.user_id, "leave")
    missed = [await host.say(room_id, f"unheard {number}") for number in range(WHILE_AWAY)]
    await host.send_state(room_id, "m.room.name", {"name": "another name"})
    await join_via(guest, room_id, server_of(host))
    await see_membership(host, room_id, guest.user_id, "join")
    await eventually(
        f"{guest!r} to see what it missed",
        lambda: timeline_of(guest, room_id),
        lambda timeline: set(missed) <= set(timeline),
    )
    await guest.say(room_id, "back again")
    await host.say(room_id, "welcome back")
    room = await check_agreement([host, guest], room_id)
    return {"events": len(room.events)}


async def history(world: World, room_version: str) -> Figures:
    """Who comes late reads everything from the beginning."""
    host, guest = await world.users("host", "guest")
    room_id = await host.create_room(preset="public_chat", room_version=room_version)
    for number in range(BEFORE):
        await host.say(room_id, f"before you came {number}")
    await join_via(guest, room_id, server_of(host))
    room = await check_agreement([host, guest], room_id)
    return {"events": len(room.events)}


async def restricted(world: World, room_version: str) -> Figures:
    """A room is open for those who are in another room."""
    host, member = await world.users("host", "member")
    (stranger,) = await world.turned(1).users("stranger")
    hall = await shared_room([host, member], room_version)
    rule = {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": hall}],
    }
    room_id = await host.create_room(
        preset="private_chat",
        room_version=room_version,
        initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rule}],
    )
    await must_fail("a stranger's join", join_via(stranger, room_id, server_of(host)), 403)
    await join_via(member, room_id, server_of(host))
    await see_membership(host, room_id, member.user_id, "join")
    await member.say(room_id, "I was in the hall")
    # The member's server is in the room now, and still cannot let anybody in on its own.
    await must_fail("a stranger's join", join_via(stranger, room_id, server_of(host)), 403)
    await join_via(stranger, hall, server_of(host))
    await see_membership(host, hall, stranger.user_id, "join")
    await join_via(stranger, room_id, server_of(host))
    await see_membership(host, room_id, stranger.user_id, "join")
    room = await check_agreement([host, member], room_id)
    return {"events": len(room.events)}


async def knocking(world: World, room_version: str) -> Figures:
    """Who knocks is let in, or is not."""
    host, guest = await world.users("host", "guest")
    room_id = await _knocked_at(host, guest, room_version)
    await eventually(
        "the knock in /sync",
        lambda: rooms_in_sync(guest, "knock"),
        lambda rooms: room_id in rooms,
    )
    # Whether a server outside of the room is told that it is refused is up to the servers in it.
    await set_membership(host, "kick", room_id, guest.user_id)
    await knock(guest, room_id, server_of(host))
    await see_membership(host, room_id, guest.user_id, "knock")
    await host.invite(room_id, guest.user_id)
    await see_invite(guest, room_id)
    await guest.join(room_id)
    await see_membership(host, room_id, guest.user_id, "join")
    room = await check_agreement([host, guest], room_id)
    return {"events": len(room.events)}


async def withdrawing(world: World, room_version: str) -> Figures:
    """Who knocks thinks better of it."""
    host, guest = await world.users("host", "guest")
    room_id = await _knocked_at(host, guest, room_version)
    await guest.leave(room_id)
    await see_membership(host, room_id, guest.user_id, "leave")
    return {}


async def _knocked_at(host: Client, guest: Client, room_version: str) -> str:
    rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room_id = await host.create_room(
        preset="private_chat", room_version=room_version, name="closed", initial_state=[rules]
    )
    await knock(guest, room_id, server_of(host))
    await see_membership(host, room_id, guest.user_id, "knock")
    return room_id


async def upgrade(world: World, room_version: str) -> Figures:
    """A room is replaced, and people of another server follow."""
    host, guest = await world.users("host", "guest")
    room_id = await shared_room([host, guest], room_version)
    answer = await ask(
        host, "POST", "rooms", room_id, "upgrade", json={"new_version": room_version}
    )
    replacement: str = answer["replacement_room"]

    async def tombstone() -> JsonObject:
        return await ask(guest, "GET", "rooms", room_id, "state", "m.room.tombstone", "")

    await eventually(
        "the tombstone", tombstone, lambda content: content["replacement_room"] == replacement
    )
    await join_via(guest, replacement, server_of(host))
    await guest.say(replacement, "here I am")
    room = await check_agreement([host, guest], replacement)
    await must_fail("what is said in a closed room", guest.say(room_id, "anybody?"), 403)
    return {"events": len(room.events)}
