"""A server is attacked by one that is in a room of its own, and must bear it.

Whatever the attacker does: the process lives on and stays within its memory, what happens in
other rooms arrives meanwhile, nothing forged is seen, and what the attacker says by the rules
still arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import attrs

from synctest.client import Client
from synctest.failure import ScenarioFailed
from synctest.federation.agreement import timeline_of
from synctest.federation.deeds import StateMap, see_event, state_map
from synctest.federation.memory import watched_memory
from synctest.federation.scenario import Figures
from synctest.federation.scripted_server import ScriptedServer, SharedRoom, started_script
from synctest.federation.waiting import LIMIT, eventually
from synctest.federation.world import Member, World

MOST_MEMORY = 300
"""Megabytes by which the server may grow."""

TIME_TO_RECOVER = 60.0
"""Seconds until a good event of the attacker has arrived."""

PAUSE_OF_FRIENDS = 0.3


@attrs.frozen
class Raid:
    """The ``attacker`` and the ``room`` of the ``owner``, on the ``target``, which it has joined.

    ``forged`` collects the IDs of events that must never be seen.
    """

    attacker: ScriptedServer
    target: Member
    owner: Client
    room: SharedRoom
    forged: list[str] = attrs.field(factory=list)


Attack: TypeAlias = Callable[[Raid], Awaitable[Figures]]


async def raid(attack: Attack, world: World, room_version: str) -> Figures:
    """Let the first server of a world be attacked; raises `ScenarioFailed`."""
    target = world.members[0]
    owner = await target.new_user("owner")
    pid = target.process.pid
    async with (
        started_script(world.certificate) as attacker,
        started_script(world.certificate) as friend,
    ):
        room_id = await owner.create_room(preset="public_chat", room_version=room_version)
        quiet_id = await owner.create_room(preset="public_chat", room_version=room_version)
        room = await attacker.join(target.name, room_id, f"@mallory:{attacker.name}")
        quiet = await friend.join(target.name, quiet_id, f"@friend:{friend.name}")
        state = await state_map(owner, room_id)
        under_attack = Raid(attacker, target, owner, room)
        async with watched_memory(target.process) as memory:
            async with _chatting(friend, quiet, owner):
                figures = await attack(under_attack)
            attacker.override = None
            await _check_health(under_attack, pid, state)
        if memory.growth > MOST_MEMORY:
            grown = f"{target.name} grew from {memory.before} to {memory.most} MB"
            raise ScenarioFailed(f"{grown}: {dict(figures)}")
        return {**figures, "MB more": memory.growth}


@asynccontextmanager
async def _chatting(friend: ScriptedServer, room: SharedRoom, owner: Client) -> AsyncIterator[None]:
    """Another server talks in another room, and every event arrives soon."""
    busy = asyncio.Event()
    busy.set()

    async def chat() -> None:
        while busy.is_set():
            await see_event(owner, room.room_id, await friend.say(room, "a quiet room"))
            await reaches(room, await owner.say(room.room_id, "and I hear you"), LIMIT)
            await asyncio.sleep(PAUSE_OF_FRIENDS)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(chat())
        try:
            yield
        finally:
            busy.clear()


async def reaches(room: SharedRoom, event_id: str, limit: float) -> None:
    """Wait until the scripted server has been sent an event."""

    async def known() -> bool:
        return event_id in room.events

    await eventually(f"{event_id} to reach {room.user_id}", known, bool, limit=limit)


async def _check_health(raid: Raid, pid: int, state: StateMap) -> None:
    room, owner = raid.room, raid.owner
    good = await raid.attacker.say(room, "a good event")
    await eventually(
        f"{owner!r} to see a good event of the attacker",
        lambda: owner.event(room.room_id, good),
        lambda event: event["event_id"] == good,
        limit=TIME_TO_RECOVER,
    )
    await reaches(room, await owner.say(room.room_id, "an answer"), TIME_TO_RECOVER)
    if raid.target.process.pid != pid:
        raise ScenarioFailed(f"{raid.target.name} has been restarted")
    seen = await timeline_of(owner, room.room_id)
    if forged := [seen[event_id] for event_id in raid.forged if event_id in seen]:
        raise ScenarioFailed(f"{len(forged)} forged events are seen: {forged}")
    now = await state_map(owner, room.room_id)
    if now != state:
        changed = {key for key in {*now, *state} if now.get(key) != state.get(key)}
        raise ScenarioFailed(f"the attack changed the state: {sorted(changed)}")
