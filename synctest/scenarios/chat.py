"""Many devices talk in several rooms, and all end with the same picture of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

import attrs

from synctest.cast import Cast, Site, gather_cast, open_room
from synctest.connection import Homeserver, JsonObject
from synctest.convergence import check_convergence
from synctest.follower import Follower
from synctest.ledger import Ledger
from synctest.relations import check_relations
from synctest.unread import UnreadCheck, edit_of, reaction_to

EMOJI = "👍👎😀🎉😕❤🚀👀🍏🍐🍊🍋🍌🍉🍇🍓"


@attrs.frozen
class Chat:
    """Messages, edits, reactions, redactions, receipts and typing, then a comparison.

    The last device of every user does not sync while the others talk: it comes back to gaps.
    ``actions`` is the number of things that each device does.
    """

    name: ClassVar[str] = "chat"
    controls_process: ClassVar[bool] = False

    users: int = 5
    devices: int = 3
    rooms: int = 2
    actions: int = 25
    seed: int = 0

    async def run(self, site: Site) -> Mapping[str, int]:
        """Raises `ScenarioFailed`; returns figures for the report."""
        async with Homeserver(site.url) as homeserver:
            cast = await gather_cast(
                homeserver,
                site.register,
                users=self.users,
                devices=self.devices,
                rooms=self.rooms,
            )
            awake = [Follower(device) for user in cast.users for device in user[:-1]]
            asleep = [Follower(user[-1], timeline_limit=5) for user in cast.users]
            followers = [*awake, *asleep]
            await asyncio.gather(*(follower.step() for follower in followers))
            # One room more, which the followers see coming.
            cast = attrs.evolve(cast, rooms=[*cast.rooms, await open_room(cast.users)])
            ledger = Ledger()
            await self._converse(cast, awake, ledger)
            histories = await check_convergence(cast, followers, ledger)
            for history in histories.values():
                await check_relations(cast.users[0][0], history)
            await check_typing(cast, followers)
            for room_id in cast.rooms:
                await UnreadCheck(cast, followers, room_id).run()
            await check_receipts(cast, followers)
            return {
                "messages": len(ledger.acknowledged),
                "events": sum(map(len, histories.values())),
                "timelines compared": len(cast.rooms) * (len(followers) + len(cast.users)),
                "gaps filled": sum(follower.gaps_filled for follower in followers),
            }

    async def _converse(self, cast: Cast, awake: Sequence[Follower], ledger: Ledger) -> None:
        talking = asyncio.Event()
        talking.set()
        async with asyncio.TaskGroup() as following:
            for follower in awake:
                following.create_task(follower.follow_while(talking))
            speakers = [
                Speaker(follower, cast.rooms, ledger, EMOJI[number % len(EMOJI)], self.seed)
                for number, follower in enumerate(awake)
            ]
            await asyncio.gather(*(speaker.act(self.actions) for speaker in speakers))
            talking.clear()


class Speaker:
    """A device that does what people do in a chat; its emoji is its own."""

    def __init__(
        self,
        follower: Follower,
        rooms: Sequence[str],
        ledger: Ledger,
        emoji: str,
        seed: int,
    ) -> None:
        self._follower = follower
        self._client = follower.client
        self._rooms = rooms
        self._ledger = ledger
        self._emoji = emoji
        self._dice = random.Random(f"{seed}{emoji}")
        self._own: dict[str, list[str]] = {room_id: [] for room_id in rooms}
        self._reacted_to: set[str] = set()

    async def act(self, times: int) -> None:
        """Do random things, mostly sending messages, in random rooms."""
        deeds = (self._say, self._edit, self._react, self._redact, self._read, self._type)
        for _ in range(times):
            (deed,) = self._dice.choices(deeds, weights=(10, 3, 4, 1, 4, 2))
            await deed(self._dice.choice(self._rooms))

    async def _say(self, room_id: str) -> None:
        self._own[room_id].append(await self._ledger.say(self._client, room_id))

    async def _edit(self, room_id: str) -> None:
        if own := self._own[room_id]:
            await self._client.send(room_id, edit_of(self._dice.choice(own), "as I meant it"))

    async def _redact(self, room_id: str) -> None:
        if own := self._own[room_id]:
            event_id = own.pop(self._dice.randrange(len(own)))
            await self._client.redact(room_id, event_id)

    async def _react(self, room_id: str) -> None:
        event = self._seen_message(room_id)
        if event is not None and event["event_id"] not in self._reacted_to:
            self._reacted_to.add(event["event_id"])
            content = reaction_to(event["event_id"], self._emoji)
            await self._client.send(room_id, content, event_type="m.reaction")

    async def _read(self, room_id: str) -> None:
        if event := self._seen_message(room_id):
            await self._client.mark_read(room_id, event["event_id"])

    async def _type(self, room_id: str) -> None:
        await self._client.set_typing(room_id, self._dice.random() < 0.5)

    def _seen_message(self, room_id: str) -> JsonObject | None:
        seen = [
            event
            for event in self._follower.timelines.get(room_id, ())
            if event["type"] == "m.room.message" and "body" in event["content"]
        ]
        return self._dice.choice(seen) if seen else None


async def check_typing(cast: Cast, followers: Sequence[Follower]) -> None:
    """Everyone sees who begins to type, and who stops."""
    typist, room_id = cast.users[0][0], cast.rooms[0]
    for typing in (True, False):
        await typist.set_typing(room_id, typing)
        for follower in followers:
            await _sees_typing(follower, room_id, typist.user_id, typing)


async def check_receipts(cast: Cast, followers: Sequence[Follower]) -> None:
    """Everyone sees how far each user has read."""
    readers = [devices[0] for devices in cast.users]
    for room_id in cast.rooms:
        last = await readers[0].say(room_id, "Have you all read this?")
        for reader in readers:
            await reader.mark_read(room_id, last)
        everyone = {reader.user_id: last for reader in readers}
        for follower in followers:
            await _sees_receipts(follower, room_id, everyone)


async def _sees_typing(follower: Follower, room_id: str, user_id: str, typing: bool) -> None:
    await follower.until(
        lambda: (user_id in follower.typing[room_id]) == typing,
        f"typing={typing} of {user_id} in {room_id}",
    )


async def _sees_receipts(follower: Follower, room_id: str, receipts: Mapping[str, str]) -> None:
    await follower.until(
        lambda: follower.receipts[room_id] == receipts, f"the receipts {receipts} in {room_id}"
    )
