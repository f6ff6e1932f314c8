"""What people do in rooms that other servers take part in, beyond `synctest.client`."""

from __future__ import annotations

import json as json_codec
from collections.abc import Awaitable, Mapping
from typing import TypeAlias
from urllib.parse import quote, urlencode

from synctest.client import V3, Client
from synctest.connection import JsonObject, RequestFailed
from synctest.failure import ScenarioFailed
from synctest.federation.waiting import LIMIT, eventually

StateMap: TypeAlias = Mapping[tuple[str, str], str]
"""Event IDs by type and state key."""

V1 = "/_matrix/client/v1"


async def ask(
    client: Client,
    method: str,
    *segments: str,
    json: JsonObject | None = None,
    query: Mapping[str, str | int] | None = None,
    base: str = V3,
) -> JsonObject:
    """Make any request of the client-server API; raises `RequestFailed` unless it succeeds."""
    path = base + "".join("/" + quote(segment, safe="") for segment in segments)
    if json is None and method in ("POST", "PUT"):
        json = {}
    return await client.homeserver.call(method, path, token=client.token, query=query, json=json)


def server_of(client: Client) -> str:
    """The name of a user's homeserver."""
    return client.user_id.partition(":")[2]


async def join_via(client: Client, room_id_or_alias: str, *servers: str) -> str:
    """Join a room with the help of servers that are in it; returns its id."""
    # Repeated parameters: one for each server, under its newer and its older name.
    query = urlencode([(name, server) for server in servers for name in ("via", "server_name")])
    path = f"{V3}/join/{quote(room_id_or_alias, safe='')}?{query}"
    answer = await client.homeserver.call("POST", path, token=client.token, json={})
    room_id: str = answer["room_id"]
    return room_id


async def knock(client: Client, room_id: str, *servers: str) -> None:
    """Ask to be let in to a room of other servers."""
    query = urlencode([(name, server) for server in servers for name in ("via", "server_name")])
    path = f"{V3}/knock/{quote(room_id, safe='')}?{query}"
    await client.homeserver.call("POST", path, token=client.token, json={"reason": "please"})


async def set_membership(actor: Client, deed: str, room_id: str, user_id: str) -> None:
    """Kick, ban or unban somebody."""
    await ask(actor, "POST", "rooms", room_id, deed, json={"user_id": user_id})


async def membership(client: Client, room_id: str, user_id: str) -> str:
    """Somebody's membership, as this user's server knows it."""
    content = await ask(client, "GET", "rooms", room_id, "state", "m.room.member", user_id)
    value: str = content["membership"]
    return value


async def see_membership(client: Client, room_id: str, user_id: str, expected: str) -> None:
    """Wait until this user's server knows of a membership."""
    await eventually(
        f"{client!r} to see {user_id} in {room_id} as {expected!r}",
        lambda: membership(client, room_id, user_id),
        lambda value: value == expected,
    )


async def see_event(
    client: Client, room_id: str, event_id: str, *, limit: float = LIMIT
) -> JsonObject:
    """Wait until this user can read an event."""
    return await eventually(
        f"{client!r} to see the event {event_id} in {room_id}",
        lambda: client.event(room_id, event_id),
        lambda event: event["event_id"] == event_id,
        limit=limit,
    )


async def rooms_in_sync(client: Client, section: str) -> list[str]:
    """The rooms that /sync lists as join, invite or knock."""
    answer = await client.sync()
    return list(answer.get("rooms", {}).get(section, {}))


async def see_invite(client: Client, room_id: str) -> None:
    """Wait until the user's /sync shows an invitation."""
    await eventually(
        f"{client!r} to be invited to {room_id}",
        lambda: rooms_in_sync(client, "invite"),
        lambda rooms: room_id in rooms,
    )


async def state_map(client: Client, room_id: str) -> StateMap:
    """The current state of a room."""
    path = f"{V3}/rooms/{quote(room_id, safe='')}/state"
    answer = await client.homeserver.request("GET", path, token=client.token)
    if answer.status != 200:
        raise RequestFailed(f"GET {path}", answer.status, answer.body)
    events: list[JsonObject] = json_codec.loads(answer.body)
    return {(event["type"], event["state_key"]): event["event_id"] for event in events}


async def must_fail(what: str, attempt: Awaitable[object], *statuses: int) -> None:
    """Await a request that must be refused with one of these statuses."""
    try:
        await attempt
    except RequestFailed as error:
        if error.status not in statuses:
            raise ScenarioFailed(f"{what} was refused with {error}, not {statuses}") from error
        return
    raise ScenarioFailed(f"{what} was not refused")
