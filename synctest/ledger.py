"""What was sent and what the homeserver acknowledged of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from synctest.client import Client
from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed


@attrs.frozen
class Acknowledged:
    """A message whose send was answered with an event id."""

    sender: Client
    room_id: str
    txn_id: str
    body: str
    event_id: str


class Ledger:
    """Messages with bodies of their own, so that each is told from every other."""

    def __init__(self) -> None:
        self.acknowledged: list[Acknowledged] = []
        self._written = 0

    @property
    def unanswered(self) -> int:
        """How many sends wait for their answer."""
        return self._written - len(self.acknowledged)

    async def say(self, sender: Client, room_id: str) -> str:
        """Send a new message, note its acknowledgement and return its event id."""
        self._written += 1
        body = f"message {self._written} of {sender.user_id} {sender.device_id}"
        txn_id = sender.new_txn_id()
        event_id = await sender.say(room_id, body, txn_id=txn_id)
        self.acknowledged.append(Acknowledged(sender, room_id, txn_id, body, event_id))
        return event_id

    def check_exactly_once(
        self,
        histories: Mapping[str, Sequence[JsonObject]],
        redacted: frozenset[str] = frozenset(),
    ) -> None:
        """Raises `ScenarioFailed` unless each message is in its room's history exactly once."""
        for room_id, history in histories.items():
            check_once(
                [sent for sent in self.acknowledged if sent.room_id == room_id],
                history,
                redacted,
            )

    async def check_repeats(self) -> None:
        """Send everything again with its transaction id: the same event ids must come back."""
        for sent in self.acknowledged:
            event_id = await sent.sender.say(sent.room_id, sent.body, txn_id=sent.txn_id)
            if event_id != sent.event_id:
                raise ScenarioFailed(
                    f"{sent.body!r} with transaction id {sent.txn_id} was {sent.event_id}, "
                    f"and became {event_id} when it was repeated"
                )


def check_once(
    sent: Sequence[Acknowledged], history: Sequence[JsonObject], redacted: frozenset[str]
) -> None:
    """Raises `ScenarioFailed` unless each of ``sent`` is in ``history`` exactly once."""
    bodies = {event["event_id"]: event["content"].get("body") for event in history}
    copies = Counter(bodies.values())
    for message in sent:
        if message.event_id not in bodies:
            raise ScenarioFailed(f"lost: {message.body!r}, acknowledged as {message.event_id}")
        if message.event_id in redacted:
            continue
        if bodies[message.event_id] != message.body:
            found = bodies[message.event_id]
            raise ScenarioFailed(f"{message.event_id} says {found!r} instead of {message.body!r}")
        if copies[message.body] != 1:
            raise ScenarioFailed(f"{message.body!r} is there {copies[message.body]} times")
