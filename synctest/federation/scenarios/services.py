"""What servers ask each other for: media, aliases, lists of rooms, keys."""

from __future__ import annotations

import struct
import zlib
from urllib.parse import quote

from synctest.accounts import log_in
from synctest.client import MEDIA
from synctest.connection import JsonObject, RequestFailed
from synctest.device_keys import DeviceKeys
from synctest.failure import ScenarioFailed
from synctest.federation.deeds import V1, ask, join_via, must_fail, see_membership, server_of
from synctest.federation.scenario import Figures
from synctest.federation.scenarios.talking import shared_room
from synctest.federation.waiting import Watcher, eventually
from synctest.federation.world import World

LETTER = "org.myelin.synctest.letter"


async def media(world: World, room_version: str) -> Figures:
    """A picture is downloaded through another server, whole and small."""
    host, guest = await world.users("host", "guest")
    picture = png(64, 48)
    uri = await host.upload(picture, "image/png", filename="grey.png")
    found = await guest.download(uri)
    if found != picture:
        raise ScenarioFailed(f"{uri} has {len(found)} other bytes on another server")
    path = f"{MEDIA}/thumbnail/{uri.removeprefix('mxc://')}"
    query: dict[str, str | int] = {"width": 32, "height": 32, "method": "scale"}
    answer = await guest.homeserver.request("GET", path, token=guest.token, query=query)
    if answer.status != 200 or not answer.content_type.startswith("image/"):
        raise RequestFailed(f"GET {path}", answer.status, answer.body)
    missing = f"mxc://{server_of(host)}/nothing-of-that-name"
    await must_fail("a download of nothing", guest.download(missing), 404)
    return {"bytes": len(picture)}


def png(width: int, height: int) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


async def directory(world: World, room_version: str) -> Figures:
    """Aliases and lists of public rooms of another server; joining by alias."""
    host, guest = await world.users("host", "guest")
    localpart = f"room-{host.new_txn_id()}"
    room_id = await host.create_room(
        preset="public_chat",
        room_version=room_version,
        room_alias_name=localpart,
        name=localpart,
        visibility="public",
    )
    alias = f"#{localpart}:{server_of(host)}"
    found = await ask(guest, "GET", "directory", "room", alias)
    if found["room_id"] != room_id or server_of(host) not in found["servers"]:
        raise ScenarioFailed(f"{alias} of {room_id} leads to {found}")
    nothing = f"#nothing-{localpart}:{server_of(host)}"
    await must_fail("an alias of nothing", ask(guest, "GET", "directory", "room", nothing), 404)
    listed = await ask(guest, "GET", "publicRooms", query={"server": server_of(host)})
    _check_listed(listed, room_id)
    search: JsonObject = {"filter": {"generic_search_term": localpart}}
    listed = await ask(guest, "POST", "publicRooms", json=search, query={"server": server_of(host)})
    _check_listed(listed, room_id)
    await join_via(guest, alias)
    await see_membership(host, room_id, guest.user_id, "join")
    return {}


def _check_listed(page: JsonObject, room_id: str) -> None:
    if room_id not in {room["room_id"] for room in page["chunk"]}:
        raise ScenarioFailed(f"{room_id} is not among the public rooms {page!r:.500}")


async def encryption(world: World, room_version: str) -> Figures:
    """Device keys, one-time keys, to-device messages and changes of device lists."""
    host, guest = await world.users("host", "guest")
    await shared_room([host, guest], room_version)
    watcher = Watcher(guest)
    await watcher.step()
    keys = DeviceKeys(host)
    identity = keys.identity()
    await host.upload_keys(
        device_keys=identity, one_time_keys=keys.one_time(2), fallback_keys=keys.fallback()
    )
    await _told_of_devices(watcher, host.user_id)
    queried = await guest.query_keys([host.user_id])
    device = queried["device_keys"].get(host.user_id, {}).get(host.device_id)
    if device is None or device["keys"] != identity["keys"]:
        raise ScenarioFailed(f"the keys of {host!r} are, on another server, {queried!r:.800}")
    claimed = await guest.claim_keys([host], "signed_curve25519")
    if not claimed.get(host.user_id, {}).get(host.device_id):
        raise ScenarioFailed(f"no key of {host!r} could be claimed: {claimed}")
    for sender, recipient in ((guest, host), (host, guest)):
        letter = {recipient.user_id: {recipient.device_id: {"from": sender.user_id}}}
        await sender.send_to_device(LETTER, letter)
        await Watcher(recipient).until(f"the to-device message of {sender!r}", _has_letter)
    await _new_device(world, room_version)
    return {}


def _has_letter(answer: JsonObject) -> bool:
    events = answer.get("to_device", {}).get("events", ())
    return any(event["type"] == LETTER for event in events)


async def _new_device(world: World, room_version: str) -> None:
    """A device that is added later is seen, too."""
    host, guest = await world.users("host", "guest")
    await shared_room([host, guest], room_version)
    await host.upload_keys(device_keys=DeviceKeys(host).identity())
    await eventually(
        "the first device",
        lambda: guest.query_keys([host.user_id]),
        lambda answer: host.device_id in answer["device_keys"].get(host.user_id, {}),
    )
    watcher = Watcher(guest)
    await watcher.step()
    second = await log_in(host.homeserver, host.user_id)
    await second.upload_keys(device_keys=DeviceKeys(second).identity())
    await _told_of_devices(watcher, host.user_id)
    await eventually(
        "both devices",
        lambda: guest.query_keys([host.user_id]),
        lambda answer: (
            set(answer["device_keys"].get(host.user_id, {})) == {host.device_id, second.device_id}
        ),
    )


async def _told_of_devices(watcher: Watcher, user_id: str) -> None:
    await watcher.until(
        f"changed devices of {user_id}",
        lambda answer: user_id in answer.get("device_lists", {}).get("changed", ()),
    )


async def spaces(world: World, room_version: str) -> Figures:
    """A space whose rooms are on different servers is seen whole from each of them."""
    host, guest = await world.users("host", "guest")
    space = await host.create_room(
        preset="public_chat", room_version=room_version, creation_content={"type": "m.space"}
    )
    rooms = [
        await user.create_room(preset="public_chat", room_version=room_version, name=f"room {n}")
        for n, user in enumerate((host, guest))
    ]
    for room_id, user in zip(rooms, (host, guest), strict=True):
        content = {"via": [server_of(user)]}
        await host.send_state(space, "m.space.child", content, state_key=room_id)
    await join_via(guest, space, server_of(host))
    for user in (host, guest):
        await eventually(
            f"{user!r} to see the rooms of {space}",
            lambda user=user: ask(user, "GET", "rooms", space, "hierarchy", base=V1),  # type: ignore[misc]
            lambda page: {room["room_id"] for room in page["rooms"]} == {space, *rooms},
        )
    stranger = (await world.turned(1).users("stranger"))[0]
    path = f"{V1}/room_summary/{quote(space, safe='')}"
    query: dict[str, str | int] = {"via": server_of(host)}
    summary = await stranger.homeserver.call("GET", path, token=stranger.token, query=query)
    if summary["room_id"] != space:
        raise ScenarioFailed(f"the summary of {space} is {summary}")
    return {}
