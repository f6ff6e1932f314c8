"""Whether everybody ends with the same timelines, whichever way they got them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from synctest.accounts import log_in
from synctest.cast import Cast
from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed
from synctest.follower import Follower
from synctest.history import whole_history
from synctest.ledger import Ledger
from synctest.timeline import check_same_timeline, redactions_in


async def check_convergence(
    cast: Cast, followers: Sequence[Follower], ledger: Ledger
) -> dict[str, list[JsonObject]]:
    """Let every follower catch up and compare all that there is; returns the histories by room.

    Compared are the timelines of the followers, the history of every room as each user reads
    it, and the timelines of devices that log in now.  Everything that the ledger holds must be
    there exactly once.
    """
    host = cast.users[0][0]
    last = {room_id: await ledger.say(host, room_id) for room_id in cast.rooms}
    await asyncio.gather(*(catch_up(follower, last) for follower in followers))
    histories = {room_id: await whole_history(host, room_id) for room_id in cast.rooms}
    for room_id, history in histories.items():
        for devices in cast.users[1:]:
            theirs = await whole_history(devices[0], room_id, page_size=37)
            check_same_timeline(repr(host), history, repr(devices[0]), theirs)
        _check_redacted(history)
    newcomers = [await _newcomer(devices[0].user_id, cast, last) for devices in cast.users]
    for follower in (*followers, *newcomers):
        for room_id, history in histories.items():
            timeline = list(follower.timelines[room_id])
            check_same_timeline("/messages", history, repr(follower), timeline)
    redacted = frozenset().union(*(redactions_in(history) for history in histories.values()))
    ledger.check_exactly_once(histories, redacted)
    return histories


async def catch_up(follower: Follower, last: Mapping[str, str]) -> None:
    """Follow until the last event of every room is there."""
    await follower.until(
        lambda: all(
            room_id in follower.timelines and event_id in follower.timelines[room_id]
            for room_id, event_id in last.items()
        ),
        "the last message of every room",
        limit=120.0,
    )


async def _newcomer(user_id: str, cast: Cast, last: Mapping[str, str]) -> Follower:
    device = await log_in(cast.users[0][0].homeserver, user_id)
    follower = Follower(device)
    await catch_up(follower, last)
    return follower


def _check_redacted(history: Sequence[JsonObject]) -> None:
    redacted = redactions_in(history)
    for event in history:
        if event["event_id"] in redacted and "body" in event["content"]:
            raise ScenarioFailed(f"{event['event_id']} is redacted, and still says its body")
