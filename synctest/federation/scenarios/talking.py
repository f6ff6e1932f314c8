"""People on several servers talk in one room."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from synctest.client import Client
from synctest.failure import ScenarioFailed
from synctest.federation.agreement import check_agreement, timeline_of
from synctest.federation.deeds import (
    V1,
    ask,
    join_via,
    must_fail,
    rooms_in_sync,
    see_event,
    see_invite,
    see_membership,
    server_of,
    set_membership,
)
from synctest.federation.scenario import Figures
from synctest.federation.waiting import Watcher, eventually
from synctest.federation.world import World
from synctest.unread import edit_of, reaction_to


async def shared_room(
    users: Sequence[Client], room_version: str, *, preset: str = "public_chat"
) -> str:
    """A room that the first user makes and all others join; returns its id."""
    host, *guests = users
    room_id = await host.create_room(preset=preset, room_version=room_version)
    for guest in guests:
        if preset != "public_chat":
            await host.invite(room_id, guest.user_id)
            await see_invite(guest, room_id)
        await join_via(guest, room_id, server_of(host))
    for user in users:
        for other in users:
            await see_membership(user, room_id, other.user_id, "join")
    return room_id


async def messages(world: World, room_version: str) -> Figures:
    """Invitations, messages both ways, edits, reactions, redactions, names and topics."""
    users = await world.users(*("talker" for _ in world.members))
    host, guest = users[:2]
    room_id = await shared_room(users, room_version, preset="private_chat")
    before = await timeline_of(host, room_id)
    said = [await user.say(room_id, f"hello from {user.user_id}") for user in users]
    for user in users:
        for event_id in said:
            await see_event(user, room_id, event_id)
    await guest.send(room_id, edit_of(said[1], "what I meant"))
    await host.send(room_id, reaction_to(said[1], "👍"), event_type="m.reaction")
    mistake = await guest.say(room_id, "a mistake")
    await see_event(host, room_id, mistake)
    await host.redact(room_id, mistake)
    await host.send_state(room_id, "m.room.topic", {"topic": "everything"})
    await host.send_state(room_id, "m.room.name", {"name": "a name"})
    await eventually(
        f"{guest!r} to see {mistake} redacted",
        lambda: guest.event(room_id, mistake),
        lambda event: "body" not in event["content"],
    )
    for user in users:
        await _see_edit(user, room_id, said[1])
        await _see_relation(user, room_id, said[1])
    room = await check_agreement(users, room_id, since=before)
    return {"events": len(room.events), "state": len(room.state)}


async def _see_edit(user: Client, room_id: str, event_id: str) -> None:
    await eventually(
        f"{user!r} to see the edit of {event_id} bundled",
        lambda: user.event(room_id, event_id),
        lambda event: "m.replace" in event.get("unsigned", {}).get("m.relations", {}),
    )


async def _see_relation(user: Client, room_id: str, event_id: str) -> None:
    await eventually(
        f"{user!r} to see the reaction to {event_id}",
        lambda: ask(user, "GET", "rooms", room_id, "relations", event_id, "m.annotation", base=V1),
        lambda page: len(page["chunk"]) == 1,
    )


async def memberships(world: World, room_version: str) -> Figures:
    """Refused invitations, kicks, bans, unbanning, leaving."""
    host, guest = await world.users("host", "guest")
    room_id = await host.create_room(preset="private_chat", room_version=room_version)
    await must_fail("a join without invitation", join_via(guest, room_id, server_of(host)), 403)
    await host.invite(room_id, guest.user_id)
    await see_invite(guest, room_id)
    await guest.leave(room_id)
    await see_membership(host, room_id, guest.user_id, "leave")
    await host.invite(room_id, guest.user_id)
    await see_invite(guest, room_id)
    await _enter(guest, host, room_id)
    await set_membership(host, "kick", room_id, guest.user_id)
    await _see_being_out(guest, room_id)
    await host.invite(room_id, guest.user_id)
    await see_invite(guest, room_id)
    await _enter(guest, host, room_id)
    await set_membership(host, "ban", room_id, guest.user_id)
    await _see_being_out(guest, room_id)
    await must_fail("what a banned user says", guest.say(room_id, "still here"), 403)
    await must_fail("a banned user's join", join_via(guest, room_id, server_of(host)), 403)
    await set_membership(host, "unban", room_id, guest.user_id)
    await see_membership(host, room_id, guest.user_id, "leave")
    await host.invite(room_id, guest.user_id)
    await see_invite(guest, room_id)
    await guest.join(room_id)
    room = await check_agreement([host, guest], room_id)
    await guest.leave(room_id)
    await see_membership(host, room_id, guest.user_id, "leave")
    return {"events": len(room.events)}


async def _enter(guest: Client, host: Client, room_id: str) -> None:
    """Join after an invitation, and wait until both servers know everything about it."""
    await guest.join(room_id)
    await see_membership(host, room_id, guest.user_id, "join")
    # A server that is put out of a room while it still fetches its state may never get it.
    await see_membership(guest, room_id, host.user_id, "join")


async def _see_being_out(user: Client, room_id: str) -> None:
    await eventually(
        f"{user!r} to be out of {room_id}",
        lambda: rooms_in_sync(user, "join"),
        lambda rooms: room_id not in rooms,
    )


async def ephemeral(world: World, room_version: str) -> Figures:
    """Typing, receipts and presence, both ways."""
    host, guest = await world.users("host", "guest")
    room_id = await shared_room([host, guest], room_version)
    watchers = [Watcher(host), Watcher(guest)]
    await asyncio.gather(*(watcher.step() for watcher in watchers))
    for actor, watcher in ((host, watchers[1]), (guest, watchers[0])):
        await actor.set_typing(room_id, True)
        await _told(watcher, room_id, f"{actor.user_id} typing", "m.typing", actor.user_id)
        event_id = await actor.say(room_id, "read this")
        await see_event(watcher.client, room_id, event_id)
        await watcher.client.mark_read(room_id, event_id)
        reader = next(each for each in watchers if each.client is actor)
        await _told(reader, room_id, f"the receipt for {event_id}", "m.receipt", event_id)
        status = f"in {room_id}"
        await ask(
            actor,
            "PUT",
            "presence",
            actor.user_id,
            "status",
            json={"presence": "online", "status_msg": status},
        )
        await watcher.until(
            f"the presence of {actor.user_id}",
            lambda answer, status=status: any(  # type: ignore[misc]
                event["content"].get("status_msg") == status
                for event in answer.get("presence", {}).get("events", ())
            ),
        )
    return {}


async def _told(watcher: Watcher, room_id: str, what: str, event_type: str, word: str) -> None:
    """Wait for an ephemeral event that speaks of something."""
    await watcher.until(
        what,
        lambda answer: any(
            event["type"] == event_type and word in str(event["content"])
            for event in answer.get("rooms", {})
            .get("join", {})
            .get(room_id, {})
            .get("ephemeral", {})
            .get("events", ())
        ),
    )


async def profiles(world: World, room_version: str) -> Figures:
    """Names are found on other servers, and changes of them are seen in rooms."""
    host, guest = await world.users("host", "guest")
    await ask(host, "PUT", "profile", host.user_id, "displayname", json={"displayname": "Ann"})
    profile = await ask(guest, "GET", "profile", host.user_id)
    if profile.get("displayname") != "Ann":
        raise ScenarioFailed(f"the profile of {host.user_id} is {profile} on another server")
    nobody = f"@nobody-at-all:{server_of(host)}"
    await must_fail("the profile of nobody", ask(guest, "GET", "profile", nobody), 404)
    room_id = await shared_room([host, guest], room_version)
    await ask(guest, "PUT", "profile", guest.user_id, "displayname", json={"displayname": "Bob"})
    await eventually(
        "the new name",
        lambda: ask(host, "GET", "rooms", room_id, "state", "m.room.member", guest.user_id),
        lambda content: content.get("displayname") == "Bob",
    )
    return {}
