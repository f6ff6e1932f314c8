"""Whether unread counts say the same on every device, and what the messages call for."""

from __future__ import annotations

from collections.abc import Sequence

from synctest.accounts import log_in
from synctest.cast import Cast
from synctest.client import Client
from synctest.connection import JsonObject
from synctest.follower import Follower, Unread


class UnreadCheck:
    """Follows the badges of one otherwise quiet room on all devices of its members."""

    def __init__(self, cast: Cast, followers: Sequence[Follower], room_id: str) -> None:
        self._cast = cast
        self._followers = followers
        self._room_id = room_id
        self._speaker = cast.users[0][0]
        self._listeners = [devices[0] for devices in cast.users[1:]]

    async def run(self) -> None:
        """Raises `ScenarioFailed` when a badge is wrong, or differs between devices."""
        speaker, mentioned = self._speaker, self._listeners[0]
        last = await speaker.say(self._room_id, "Now be quiet, please")
        await self._everyone_reads(last)
        half = await self._speak_with_edits_and_reactions()
        last = await self._mention(mentioned)
        for listener in self._listeners:
            highlights = int(listener is mentioned)
            await self._badge(listener, last, Unread(4, highlights))
            await listener.mark_read(self._room_id, half)
            await self._badge(listener, last, Unread(2, highlights))
            await self._badge_of_new_device(listener, Unread(2, highlights))
        await self._badge(speaker, last, Unread(0, 0))
        await self._everyone_reads(last)

    async def _speak_with_edits_and_reactions(self) -> str:
        """Three messages that count and, among them, events that do not; returns the second."""
        speaker, room_id = self._speaker, self._room_id
        first = await speaker.say(room_id, "first")
        await speaker.send(room_id, edit_of(first, "first, corrected"))
        second = await speaker.say(room_id, "second")
        await speaker.send(room_id, reaction_to(first, "👍"), event_type="m.reaction")
        await speaker.say(room_id, "third")
        return second

    async def _mention(self, user: Client) -> str:
        content = {
            "msgtype": "m.text",
            "body": "fourth, for one of you",
            "m.mentions": {"user_ids": [user.user_id]},
        }
        return await self._speaker.send(self._room_id, content)

    async def _everyone_reads(self, event_id: str) -> None:
        for user in (self._speaker, *self._listeners):
            await user.mark_read(self._room_id, event_id)
        for user in (self._speaker, *self._listeners):
            await self._badge(user, event_id, Unread(0, 0))

    async def _badge(self, user: Client, last: str, expected: Unread) -> None:
        """All devices of ``user`` come to show this badge once they have the last event."""
        for follower in self._followers:
            if follower.client.user_id == user.user_id:
                await self._shows(follower, last, expected)

    async def _badge_of_new_device(self, user: Client, expected: Unread) -> None:
        follower = Follower(await log_in(user.homeserver, user.user_id))
        await follower.until(
            lambda: follower.unread.get(self._room_id) == expected,
            f"{expected} in {self._room_id} at its first sync",
        )

    async def _shows(self, follower: Follower, last: str, expected: Unread) -> None:
        await follower.until(
            lambda: (
                last in follower.timelines[self._room_id]
                and follower.unread.get(self._room_id, Unread(0, 0)) == expected
            ),
            f"{expected} in {self._room_id}",
        )


def edit_of(event_id: str, body: str) -> JsonObject:
    """The content of a message that replaces another one's text."""
    return {
        "msgtype": "m.text",
        "body": f"* {body}",
        "m.new_content": {"msgtype": "m.text", "body": body},
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


def reaction_to(event_id: str, key: str) -> JsonObject:
    """The content of an ``m.reaction``."""
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": key}}
