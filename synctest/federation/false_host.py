"""A server joins a room of a host that lies about it, and must bear what it is told."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import attrs
from aiohttp import web

from synctest.accounts import register_openly
from synctest.client import Client
from synctest.connection import Homeserver, JsonObject, RequestFailed
from synctest.failure import ScenarioFailed
from synctest.federation.deeds import join_via, see_event, state_map
from synctest.federation.memory import watched_memory
from synctest.federation.raid import MOST_MEMORY, TIME_TO_RECOVER, reaches
from synctest.federation.scenario import Figures
from synctest.federation.scripted_rooms import ScriptedRooms
from synctest.federation.scripted_server import ScriptedServer, SharedRoom, started_script
from synctest.federation.world import World


@attrs.frozen
class Visit:
    """A ``guest`` of the server under test, about to join a ``room`` of the ``host``.

    ``forged`` collects the IDs of events that must not become state of the room.
    """

    host: ScriptedServer
    rooms: ScriptedRooms
    room: SharedRoom
    guest: Client
    forged: list[str] = attrs.field(factory=list)


Lie: TypeAlias = Callable[[Visit, JsonObject], Awaitable[object]]
"""Changes the answer of /send_join, or makes another body of it."""


async def visit(lie: Lie | None, world: World, room_version: str) -> Figures:
    """Join a room whose host lies, and then one whose host does not."""
    target = world.members[0]
    pid = target.process.pid
    async with (
        started_script(world.certificate) as host,
        # Without patience: that the host cannot be believed is an answer.
        Homeserver(target.process.url) as homeserver,
    ):
        guest = await register_openly(homeserver, f"guest-{uuid.uuid4().hex[:8]}")
        rooms = ScriptedRooms(host)
        visit = Visit(host, rooms, rooms.make(room_version), guest)
        async with watched_memory(target.process) as memory:
            if lie is not None:
                await _join_astray(visit, lie)
            await _join_well(visit, rooms.make(room_version))
        if target.process.pid != pid:
            raise ScenarioFailed(f"{target.name} has been restarted")
        if memory.growth > MOST_MEMORY:
            raise ScenarioFailed(f"{target.name} grew from {memory.before} to {memory.most} MB")
        return {"MB more": memory.growth}


async def _join_astray(visit: Visit, lie: Lie) -> None:
    async def answer(request: web.Request) -> web.StreamResponse | None:
        if "/send_join/" not in request.path:
            return await visit.rooms.answer(request)
        pdu = await request.json()
        told = await lie(visit, visit.rooms.welcome(visit.room.room_id, pdu))
        if isinstance(told, bytes):
            return web.Response(body=told, content_type="application/json")
        return web.json_response(told)

    visit.host.override = answer
    room_id = visit.room.room_id
    try:
        await join_via(visit.guest, room_id, visit.host.name)
    except RequestFailed as error:
        if error.status == 500:
            raise
        return
    known = set((await state_map(visit.guest, room_id)).values())
    if wrong := known.intersection(visit.forged):
        raise ScenarioFailed(f"{len(wrong)} forged events are state of {room_id}: {wrong}")


async def _join_well(visit: Visit, room: SharedRoom) -> None:
    visit.host.override = visit.rooms.answer
    await join_via(visit.guest, room.room_id, visit.host.name)
    server = visit.guest.user_id.partition(":")[2]
    pdu = visit.host.finished(room, visit.host.draft(room, "welcome"))
    await visit.host.send(server, [pdu])
    await see_event(visit.guest, room.room_id, room.take(pdu))
    answer = await visit.guest.say(room.room_id, "thank you")
    await reaches(room, answer, TIME_TO_RECOVER)


async def strangers(visit: Visit, answer: JsonObject) -> object:
    """Members of other servers, whose signatures are missing, among the state."""
    for user_id in ("@victim:127.0.0.1:1", visit.guest.user_id.replace("@", "@other-")):
        pdu = visit.rooms.forged(
            visit.room,
            type="m.room.member",
            sender=user_id,
            state_key=user_id,
            content={"membership": "join"},
        )
        visit.forged.append(visit.rooms.event_id(visit.room, pdu))
        answer["state"].append(pdu)
    return answer


async def foreign(visit: Visit, answer: JsonObject) -> object:
    """State of another room among the state."""
    other = visit.rooms.make(visit.room.version)
    visit.rooms.add(other, "m.room.name", "", {"name": "of another room"})
    visit.forged.extend(other.state.values())
    answer["state"] += other.events.values()
    return answer


async def unrooted(visit: Visit, answer: JsonObject) -> object:
    """No create event at all."""
    return {
        **answer,
        "state": [pdu for pdu in answer["state"] if pdu["type"] != "m.room.create"],
        "auth_chain": [pdu for pdu in answer["auth_chain"] if pdu["type"] != "m.room.create"],
    }


async def doubled(visit: Visit, answer: JsonObject) -> object:
    """Everything twice, and two events for the same place."""
    room = visit.room
    visit.rooms.add(room, "m.room.name", "", {"name": "one"})
    one = room.events[room.state["m.room.name", ""]]
    visit.rooms.add(room, "m.room.name", "", {"name": "two"})
    two = room.events[room.state["m.room.name", ""]]
    return {**answer, "state": [*answer["state"], *answer["state"], one, two]}


async def powerless(visit: Visit, answer: JsonObject) -> object:
    """A power levels event whose sender has no right to it."""
    user_id = f"@nobody:{visit.host.name}"
    pdu = visit.rooms.forged(
        visit.room,
        type="m.room.topic",
        sender=user_id,
        state_key="",
        content={"topic": "mine"},
    )
    visit.forged.append(visit.rooms.event_id(visit.room, pdu))
    return {**answer, "state": [*answer["state"], pdu]}


async def nonsense(visit: Visit, answer: JsonObject) -> object:
    """Events that are none."""
    wrong: list[Any] = [None, 1, "x", [], {}, {"type": 5}, {"content": []}]
    with suppress(KeyError):
        wrong.append({**answer["state"][0], "signatures": 1})
    return {**answer, "state": [*answer["state"], *wrong], "auth_chain": [*wrong, {}]}


async def no_json(visit: Visit, answer: JsonObject) -> object:
    """A page for people."""
    return b"<html><body>It works!</body></html>"


async def no_object(visit: Visit, answer: JsonObject) -> object:
    """JSON of another kind."""
    return [answer]


async def crowded(visit: Visit, answer: JsonObject, *, members: int = 5_000) -> object:
    """Thousands of members, each with a good signature, and a hundred without."""
    room = visit.room
    for number in range(members + 100):
        name = visit.host.name if number < members else "127.0.0.1:1"
        user_id = f"@{number}:{name}"
        auth_events = [room.state["m.room.power_levels", ""], room.state["m.room.join_rules", ""]]
        if int(room.version) < 12:
            auth_events.append(room.state["m.room.create", ""])
        pdu = visit.rooms.forged(
            room,
            type="m.room.member",
            sender=user_id,
            state_key=user_id,
            content={"membership": "join"},
            auth_events=auth_events,
        )
        answer["state"].append(pdu)
        if number >= members:
            visit.forged.append(visit.rooms.event_id(room, pdu))
    return answer


async def endless(visit: Visit, answer: JsonObject) -> object:
    """A hundred megabytes that are no event."""
    return b'{"state":["' + b"x" * 100_000_000 + b'"]}'


LIES: dict[str, Lie] = {
    "strangers": strangers,
    "foreign": foreign,
    "unrooted": unrooted,
    "doubled": doubled,
    "powerless": powerless,
    "nonsense": nonsense,
    "no-json": no_json,
    "no-object": no_object,
    "crowded": crowded,
    "endless": endless,
}
"""All lies by name."""
