"""To-device messages: each is kept for its device until it has been synced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from synctest.client import Client
from synctest.failure import ScenarioFailed
from synctest.follower import Follower

LETTER = "org.myelin.synctest.letter"


class Letters:
    """To-device messages that the homeserver has acknowledged."""

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}
        self._written = 0

    def __len__(self) -> int:
        return len(self._sent)

    async def send(self, sender: Client, recipient: Client) -> None:
        """Send a new letter to one device and note that it was acknowledged."""
        self._written += 1
        letter = f"letter {self._written}"
        messages = {recipient.user_id: {recipient.device_id: {"letter": letter}}}
        await sender.send_to_device(LETTER, messages)
        self._sent[letter] = recipient.device_id

    async def collect(self, followers: Iterable[Follower]) -> None:
        """Sync until every letter has come; raises `ScenarioFailed` unless each came once."""
        for follower in followers:
            await self._collect(follower)

    async def _collect(self, follower: Follower) -> None:
        device_id = follower.client.device_id
        expected = {letter for letter, to in self._sent.items() if to == device_id}
        await follower.until(
            lambda: expected <= set(_come_to(follower)), "the last of its to-device messages"
        )
        copies = Counter(_come_to(follower))
        twice = sorted(letter for letter, count in copies.items() if count > 1)
        if twice:
            raise ScenarioFailed(f"{follower!r} got twice, over to-device: {twice}")


def _come_to(follower: Follower) -> list[str]:
    return [m["content"]["letter"] for m in follower.to_device if m["type"] == LETTER]
