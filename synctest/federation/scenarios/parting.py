"""Servers are cut off from each other, stop or die, and agree again afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from synctest.client import Client
from synctest.connection import RequestFailed
from synctest.failure import ScenarioFailed
from synctest.federation.agreement import check_agreement, timeline_of
from synctest.federation.audit import check_same_answers
from synctest.federation.deeds import (
    ask,
    join_via,
    membership,
    see_event,
    see_membership,
    server_of,
    set_membership,
)
from synctest.federation.pdus import OLDEST_VERSION
from synctest.federation.scenario import Figures
from synctest.federation.scenarios.talking import shared_room
from synctest.federation.waiting import LIMIT, eventually
from synctest.federation.world import Member, World
from synctest.ledger import Ledger

LONGEST_LIFE = 0.7
"""Seconds under load until a server is killed, at most."""


async def partition(world: World, room_version: str) -> Figures:
    """Both sides of a cut change who is there, who may do what, and what things are called.

    No change takes a right from anybody who speaks, so every event stands on both sides, and
    state resolution decides only which of two is the current one.
    """
    users = await world.users(*("admin" for _ in world.members))
    silent = await world.users(*("silent" for _ in world.members))
    room_id = await shared_room(users, room_version)
    for user in silent:
        await join_via(user, room_id, server_of(users[0]))
    for admin in users:
        for user in silent:
            await see_membership(admin, room_id, user.user_id, "join")
    await _share_power(users, room_id)
    before = await timeline_of(users[0], room_id)
    first, *rest = world.names
    world.links.split([first], rest)
    try:
        sides = [users[:1], users[1:]]
        for number, side in enumerate(sides):
            await _change_everything(side, silent, room_id, world, number)
    finally:
        world.links.heal()
    await _talk_until_heard(users, room_id)
    room = await check_agreement(users, room_id, since=before)
    if int(room_version) >= OLDEST_VERSION:
        await check_same_answers(world, room_id)
    return {"events": len(room.events), "state": len(room.state)}


async def quarrel(world: World, room_version: str) -> Figures:
    """While the links are cut, one bans another, who uses powers that are lost on the other side.

    Servers may differ in what they show of that; the state must be the same everywhere.
    """
    users = await world.users(*("owner" if n == 0 else "admin" for n in range(len(world.members))))
    peaceful = await world.users(*("peaceful" for _ in world.members))
    owner, rival = users[:2]
    room_id = await shared_room([owner, *peaceful, *users[1:]], room_version)
    await _share_power(users, room_id)
    world.links.split(world.names[:1], world.names[1:])
    try:
        await set_membership(owner, "ban", room_id, rival.user_id)
        await owner.send_state(room_id, "m.room.topic", {"topic": "peace"})
        await rival.send_state(room_id, "m.room.join_rules", {"join_rule": "invite"})
        await rival.send_state(room_id, "m.room.topic", {"topic": "war"})
        await set_membership(rival, "ban", room_id, peaceful[0].user_id)
        levels = await ask(rival, "GET", "rooms", room_id, "state", "m.room.power_levels", "")
        levels["events_default"] = 50
        await rival.send_state(room_id, "m.room.power_levels", levels)
    finally:
        world.links.heal()
    readers = [owner, *peaceful[1:]]
    await see_event_everywhere(readers, owner, room_id)
    await eventually(
        "the ban to be known everywhere",
        lambda: _memberships(readers, room_id, rival.user_id),
        lambda values: values == {"ban"},
        limit=2 * LIMIT,
    )
    room = await check_agreement(readers, room_id, timeline=False)
    return {"state": len(room.state)}


async def see_event_everywhere(readers: Sequence[Client], speaker: Client, room_id: str) -> None:
    """Let the speaker talk until every reader has seen something that was said."""
    said = await speaker.say(room_id, "is there anybody?")
    for reader in readers:
        await see_event_soon(reader, speaker, room_id, said)


async def _memberships(readers: Sequence[Client], room_id: str, user_id: str) -> set[str]:
    return {await membership(reader, room_id, user_id) for reader in readers}


async def _share_power(users: Sequence[Client], room_id: str) -> None:
    """Let everybody change everything, and only the host, who has more, take that away again."""
    host, *others = users
    levels = await ask(host, "GET", "rooms", room_id, "state", "m.room.power_levels", "")
    levels["users"] = {**levels["users"], **{user.user_id: 90 for user in others}}
    levels["events"] = {**levels.get("events", {}), "m.room.power_levels": 90}
    event_id = await host.send_state(room_id, "m.room.power_levels", levels)
    for user in others:
        await see_event(user, room_id, event_id)


async def _change_everything(
    side: Sequence[Client], silent: Sequence[Client], room_id: str, world: World, number: int
) -> None:
    actor = side[0]
    levels = await ask(actor, "GET", "rooms", room_id, "state", "m.room.power_levels", "")
    levels["users"][silent[number].user_id] = 10 + number
    levels["events"] = {**levels.get("events", {}), f"org.example.side{number}": 50}
    await actor.say(room_id, "before")
    await actor.send_state(room_id, "m.room.power_levels", levels)
    await actor.send_state(room_id, "m.room.name", {"name": f"as side {number} calls it"})
    await actor.send_state(room_id, "m.room.topic", {"topic": f"topic of side {number}"})
    await actor.send_state(room_id, "org.example.only", {"side": number}, state_key=str(number))
    newcomer = await world.member_of(actor).new_user("newcomer")
    await newcomer.join(room_id)
    await newcomer.say(room_id, f"I came to side {number}")
    # One and the same person is banned there and kicked here; another leaves by itself.
    deed = ("ban", "kick")[number]
    await ask(actor, "POST", "rooms", room_id, deed, json={"user_id": silent[-1].user_id})
    if number < len(silent) - 1:
        await silent[number].leave(room_id)
    for speaker in side:
        for line in range(3):
            await speaker.say(room_id, f"line {line} on side {number}")


async def _talk_until_heard(users: Sequence[Client], room_id: str) -> None:
    """After a cut, servers may wait before they try again; what people say wakes them."""
    deadline = asyncio.get_running_loop().time() + 4 * LIMIT
    unheard = {(speaker.user_id, hearer.user_id) for speaker in users for hearer in users}
    said: dict[str, list[str]] = {user.user_id: [] for user in users}
    while unheard:
        if asyncio.get_running_loop().time() > deadline:
            raise ScenarioFailed(f"not heard {4 * LIMIT:.0f} s after the links healed: {unheard}")
        for speaker in users:
            said[speaker.user_id].append(await speaker.say(room_id, "do you hear me?"))
        await asyncio.sleep(1.0)
        for hearer in users:
            timeline = await timeline_of(hearer, room_id)
            unheard -= {
                (speaker, hearer.user_id)
                for speaker, event_ids in said.items()
                if timeline.keys() & event_ids
            }


async def catch_up(world: World, room_version: str, *, missed: int = 100) -> Figures:
    """A server that was away hears everything that was said, without being asked again."""
    users = await world.users(*("talker" for _ in world.members))
    host, guest = users[:2]
    room_id = await shared_room(users, room_version)
    before = await timeline_of(users[0], room_id)
    away = world.member_of(guest)
    await away.process.terminate()
    last = [await host.say(room_id, f"missed {number}") for number in range(missed)][-1]
    await away.process.start()
    await see_event_soon(guest, host, room_id, last)
    room = await check_agreement(users, room_id, since=before)
    return {"events": len(room.events)}


async def see_event_soon(user: Client, other: Client, room_id: str, event_id: str) -> None:
    """Wait for an event while the other side goes on talking now and then."""
    for _ in range(int(4 * LIMIT)):
        try:
            await user.event(room_id, event_id)
        except RequestFailed:
            await other.say(room_id, "are you there?")
            await asyncio.sleep(1.0)
        else:
            return
    raise ScenarioFailed(f"{user!r} has not got {event_id} {4 * LIMIT:.0f} s after it came back")


async def crash(world: World, room_version: str, *, kills: int = 3, seed: int = 0) -> Figures:
    """Servers are killed under traffic: what was acknowledged is there, everywhere, once."""
    users = await world.users(*("talker" for _ in world.members))
    room_id = await shared_room(users, room_version)
    before = await timeline_of(users[0], room_id)
    ledger = Ledger()
    dice = random.Random(seed)
    busy = asyncio.Event()
    busy.set()

    async def talk(user: Client) -> None:
        while busy.is_set():
            await ledger.say(user, room_id)
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        for user in users:
            tasks.create_task(talk(user))
        for number in range(kills):
            await asyncio.sleep(dice.uniform(0, LONGEST_LIFE))
            victim: Member = world.members[number % len(world.members)]
            victim.process.kill9()
            await victim.process.start()
        await asyncio.sleep(LONGEST_LIFE)
        busy.clear()
    await _talk_until_heard(users, room_id)
    room = await check_agreement(users, room_id, since=before)
    ledger.check_exactly_once({room_id: list(room.events.values())})
    return {"kills": kills, "messages": len(ledger.acknowledged), "events": len(room.events)}
