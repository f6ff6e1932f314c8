"""To-device messages pile up for a device that is away, while the server is killed."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping, Sequence
from typing import ClassVar

import attrs

from synctest.cast import Site
from synctest.client import Client
from synctest.connection import Homeserver
from synctest.failure import ScenarioFailed
from synctest.parcels import PARCEL, Parcel, check_parcels, parcels_in
from synctest.reaper import Reaper

LIFE_WHILE_SENDING = 0.3
LIFE_WHILE_SYNCING = 0.03
"""Seconds that a server lives at most until it is killed: a sync brings a hundred messages."""


@attrs.frozen
class Mailbox:
    """``senders`` send ``messages`` to a device that is away, and then it comes back.

    At most half of the ``kills`` strike while it is written to, and half while it syncs.  Senders
    repeat what was not answered, and now and then what was, with the same transaction id; the
    device at times loses an answer and syncs with the token that it had.
    """

    name: ClassVar[str] = "mailbox"
    controls_process: ClassVar[bool] = True

    kills: int = 100
    messages: int = 10_000
    senders: int = 8
    repeated: float = 0.05
    lost: float = 0.2
    seed: int = 0

    async def run(self, site: Site) -> Mapping[str, int]:
        """Raises `ScenarioFailed`; returns figures for the report."""
        async with Homeserver(site.url, patience=120.0) as homeserver:
            run = uuid.uuid4().hex[:8]
            owner = await site.register(homeserver, f"{run}-owner")
            token: str = (await owner.sync())["next_batch"]
            senders = await asyncio.gather(
                *(site.register(homeserver, f"{run}-sender{n}") for n in range(self.senders))
            )
            each = -(-self.messages // self.senders)
            reaper = Reaper(site.own_process, random.Random(self.seed))
            sending = asyncio.gather(
                *(self._send(owner, each, number, sender) for number, sender in enumerate(senders))
            )
            await reaper.disturb(
                sending, homeserver, kills=self.kills // 2, longest_life=LIFE_WHILE_SENDING
            )
            kills_while_sending = reaper.kills
            recipient = Recipient(owner, token, self.lost, random.Random(self.seed))
            await reaper.disturb(
                asyncio.ensure_future(recipient.collect()),
                homeserver,
                kills=self.kills - self.kills // 2,
                longest_life=LIFE_WHILE_SYNCING,
            )
            check_parcels(recipient.parcels, {sender.user_id: each for sender in senders})
            await recipient.check_nothing_left()
            return {
                "messages": len(recipient.parcels),
                "kills while sending": kills_while_sending,
                "kills while syncing": reaper.kills - kills_while_sending,
                "kills while starting": reaper.kills_while_starting,
                "requests cut short": reaper.sends_cut_short,
                "requests repeated": homeserver.repeats,
                "syncs": recipient.syncs,
                "answers lost": recipient.answers_lost,
            }

    async def _send(self, recipient: Client, count: int, number: int, sender: Client) -> None:
        dice = random.Random(f"{self.seed}/{number}")
        txn_ids = [sender.new_txn_id() for _ in range(count)]
        for latest in range(count):
            again = [dice.randint(0, latest)] if dice.random() < self.repeated else []
            for parcel in [latest, *again]:
                messages = {recipient.user_id: {recipient.device_id: {"number": parcel}}}
                await sender.send_to_device(PARCEL, messages, txn_id=txn_ids[parcel])


class Recipient:
    """A device that syncs only for its to-device messages.

    ``parcels`` holds what was in the answers that it kept: those whose token it went on with.
    """

    def __init__(self, client: Client, token: str, lost: float, dice: random.Random) -> None:
        self.parcels: list[Parcel] = []
        self.syncs = 0
        self.answers_lost = 0
        self._client = client
        self._token = token
        self._lost = lost
        self._dice = dice

    async def collect(self) -> None:
        """Sync until an answer brings nothing."""
        while True:
            answer = await self._client.sync(self._token)
            self.syncs += 1
            parcels = parcels_in(answer)
            if self._dice.random() < self._lost:
                await self._lose(parcels)
                continue
            self.parcels += parcels
            self._token = answer["next_batch"]
            if not parcels:
                return

    async def _lose(self, parcels: Sequence[Parcel]) -> None:
        """Sync with the same token as before: what it does not acknowledge must come again."""
        self.answers_lost += 1
        again = parcels_in(await self._client.sync(self._token))
        if again[: len(parcels)] != parcels:
            raise ScenarioFailed(
                f"{self._client!r} did not get again, from the same token, {len(parcels)} "
                f"to-device messages: {parcels[:3]}... became {again[:3]}..."
            )

    async def check_nothing_left(self) -> None:
        """Raises `ScenarioFailed` if something comes again after all was acknowledged, from the
        last token or without one."""
        again = parcels_in(await self._client.sync(self._token))
        again += parcels_in(await self._client.sync())
        if again:
            raise ScenarioFailed(
                f"{self._client!r} had acknowledged all its messages, and got again {again[:3]}"
            )
