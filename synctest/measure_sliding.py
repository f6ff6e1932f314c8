"""``python -m synctest.measure_sliding``: what a sliding sync costs a server, beside others.

One user is in many rooms, all in the one list of their connection. Somebody else says something in
one of the rooms; what is measured is the sliding sync that brings it, as Element X asks for it, and
the sliding sync of a client with no news.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import click

from synctest.cast import Site
from synctest.client import Client
from synctest.connection import Homeserver, JsonObject
from synctest.measuring import Subject, named_launchers, started_subject, table
from synctest.models.sliding_client import EXTENSIONS, UNSTABLE_PATH

AT_ONCE = 4
"""How many rooms are made at the same time."""

TIMELINE_LIMIT = 20

REQUIRED_STATE = [
    ["m.room.name", ""],
    ["m.room.encryption", ""],
    ["m.room.member", "$LAZY"],
    ["m.room.member", "$ME"],
    ["m.room.topic", ""],
    ["m.room.avatar", ""],
    ["m.room.canonical_alias", ""],
    ["m.room.power_levels", ""],
    ["m.room.join_rules", ""],
    ["m.room.history_visibility", ""],
    ["m.room.tombstone", ""],
    ["m.room.create", ""],
    ["m.room.pinned_events", ""],
]
"""The state of each room that Element X asks for."""


@attrs.define
class Window:
    """A connection whose only list has all rooms of its user."""

    client: Client
    rooms: int
    pos: str | None = None
    to_device_since: str | None = None

    async def sync(self) -> JsonObject:
        """One answer at once."""
        extensions: JsonObject = {name: {"enabled": True} for name in EXTENSIONS}
        if self.to_device_since is not None:
            extensions["to_device"]["since"] = self.to_device_since
        asked = {
            "ranges": [[0, self.rooms - 1]],
            "timeline_limit": TIMELINE_LIMIT,
            "required_state": REQUIRED_STATE,
        }
        query = {"timeout": "0", **({"pos": self.pos} if self.pos is not None else {})}
        answer = await self.client.homeserver.call(
            "POST",
            UNSTABLE_PATH,
            token=self.client.token,
            query=query,
            json={"conn_id": "main", "lists": {"all": asked}, "extensions": extensions},
        )
        self.pos = answer["pos"]
        mail = answer["extensions"].get("to_device", {})
        self.to_device_since = mail.get("next_batch", self.to_device_since)
        return answer


@attrs.frozen
class Scene:
    """A server with its rooms: ``subject.users`` are a reader and a speaker."""

    subject: Subject
    window: Window
    rooms: Sequence[str]

    async def updates(self, number: int) -> float:
        """Milliseconds of CPU for an update, on average over some."""
        speaker = self.subject.users[1]
        spent = 0.0
        for index in range(number):
            room_id = self.rooms[index * 7 % len(self.rooms)]
            await speaker.say(room_id, f"update {index}")
            # The work of the message itself ends before the measurement begins.
            await asyncio.sleep(0.02)
            before = self.subject.cpu()
            answer = await self.window.sync()
            spent += self.subject.cpu() - before
            if list(answer["rooms"]) != [room_id]:
                raise click.ClickException(f"{self.subject.name}: the update did not come")
        return spent / number * 1000

    async def nothing(self, number: int) -> float:
        """Milliseconds of CPU for a sync without news, on average over some."""
        before = self.subject.cpu()
        for _ in range(number):
            await self.window.sync()
        return (self.subject.cpu() - before) / number * 1000


async def fill(site: Site, homeserver: Homeserver, rooms: int) -> list[Client]:
    """Register the reader and the speaker, and have both in all rooms."""
    run = uuid.uuid4().hex[:8]
    reader = await site.register(homeserver, f"{run}-reader")
    speaker = await site.register(homeserver, f"{run}-speaker")
    slots = asyncio.Semaphore(AT_ONCE)

    async def room(number: int) -> None:
        async with slots:
            room_id = await speaker.create_room(preset="public_chat", name=f"room {number}")
            await reader.join(room_id)
            await speaker.say(room_id, "first")

    await asyncio.gather(*map(room, range(rooms)))
    return [reader, speaker]


async def measure(
    servers: Mapping[str, Path], database: str, *, rooms: int, rounds: int, repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of CPU for each operation, by server name, in each round."""
    async with AsyncExitStack() as stack:
        scenes = {}
        for name, launcher in servers.items():
            subject = await started_subject(
                stack,
                name,
                launcher,
                database,
                lambda site, homeserver: fill(site, homeserver, rooms),
            )
            window = Window(subject.users[0], rooms)
            answer = await window.sync()
            if len(answer["rooms"]) < rooms:
                raise click.ClickException(f"{name}: rooms are missing")
            await window.sync()
            scenes[name] = Scene(subject, window, list(answer["rooms"]))
        update, nothing = f"update of one room in {rooms}", "nothing new"
        figures: dict[str, dict[str, list[float]]] = {
            title: {name: [] for name in servers} for title in (update, nothing)
        }
        for _ in range(rounds):
            for name, scene in scenes.items():
                figures[update][name].append(await scene.updates(repeats))
                figures[nothing][name].append(await scene.nothing(repeats))
        return figures


@click.command()
@click.option(
    "--server",
    "servers",
    multiple=True,
    required=True,
    callback=named_launchers,
    metavar="NAME=LAUNCHER",
    help="A server to measure; the others are compared with the first.",
)
@click.option(
    "--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True
)
@click.option("--rooms", default=200, show_default=True, help="That the user is in.")
@click.option("--rounds", default=3, show_default=True, help="In which the servers take turns.")
@click.option("--repeats", default=50, show_default=True, help="Of an operation in a round.")
def main(servers: Mapping[str, Path], database: str, rooms: int, rounds: int, repeats: int) -> None:
    """Measure the CPU of sliding syncs."""
    figures = measure(servers, database, rooms=rooms, rounds=rounds, repeats=repeats)
    click.echo(table(asyncio.run(figures)))


if __name__ == "__main__":
    main(prog_name="python -m synctest.measure_sliding")
