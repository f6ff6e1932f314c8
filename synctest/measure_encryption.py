"""``python -m synctest.measure_encryption``: what encryption costs a server, beside others.

The servers run on fresh data of their own, are filled alike, and are measured in turn. What counts
is the CPU of the server's process tree and of its database for one operation: unlike the time
it takes, that depends little on what else the machine does.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import click

from synctest.cast import Site
from synctest.client import Client
from synctest.connection import Homeserver
from synctest.device_keys import CLAIMED, DeviceKeys, cross_signing_keys
from synctest.measuring import Subject, named_launchers, started_subject, table

AT_ONCE = 8
"""How many accounts are made at the same time."""

CIPHERTEXT_BYTES = 600
"""Of a to-device message: about that of an Olm message with a room key."""

REST = 5.0
"""Seconds in which servers finish what they still do about the accounts that were made."""


@attrs.frozen
class Sizes:
    """How much is measured: ``users`` whose keys are asked for, ``devices`` that are written to."""

    users: int
    devices: int
    rounds: int
    repeats: int

    @property
    def keys_claimed(self) -> int:
        """An upper bound of the one-time keys that are claimed of a device."""
        one_at_a_time = -(-self.rounds * self.repeats * 5 // self.devices)
        return one_at_a_time + (self.rounds + 1) * self.repeats + 5


Operation = Callable[[Subject, int], Awaitable[object]]


@attrs.frozen
class Measurement:
    """An operation that is done ``repeats`` times a round, each time with another number."""

    name: str
    repeats: int
    operation: Operation

    async def cpu_ms(self, subject: Subject, numbers: Iterator[int]) -> float:
        """Milliseconds of CPU for one operation, in one round on one server."""
        await self.operation(subject, next(numbers))
        before = subject.cpu()
        for _ in range(self.repeats):
            await self.operation(subject, next(numbers))
        return (subject.cpu() - before) / self.repeats * 1000


def measurements(sizes: Sizes) -> list[Measurement]:
    """What is measured."""

    async def query(subject: Subject, number: int) -> None:
        answer = await subject.users[0].query_keys(user.user_id for user in subject.users)
        if not all(answer["device_keys"].values()) or len(answer["master_keys"]) < sizes.users:
            raise click.ClickException(f"{subject.name}: keys are missing")

    async def claim(subject: Subject, devices: Sequence[Client]) -> None:
        claimed = await subject.users[0].claim_keys(devices, CLAIMED)
        if len(claimed) < len(devices):
            raise click.ClickException(f"{subject.name}: a claim was answered with too few keys")

    async def claim_one(subject: Subject, number: int) -> None:
        await claim(subject, [subject.users[number % sizes.devices]])

    async def claim_many(subject: Subject, number: int) -> None:
        await claim(subject, subject.users[: sizes.devices])

    async def send(subject: Subject, number: int) -> None:
        recipients = subject.users[: sizes.devices]
        messages = {user.user_id: {user.device_id: _encrypted()} for user in recipients}
        await subject.users[-1].send_to_device("m.room.encrypted", messages)

    return [
        Measurement(f"/keys/query of {sizes.users} users", sizes.repeats, query),
        Measurement("/keys/claim of 1 device", 5 * sizes.repeats, claim_one),
        Measurement(f"/keys/claim of {sizes.devices} devices", sizes.repeats, claim_many),
        Measurement(f"/sendToDevice to {sizes.devices} devices", sizes.repeats, send),
    ]


async def fill(site: Site, homeserver: Homeserver, sizes: Sizes) -> list[Client]:
    """Register the users, each with a device and all its keys."""
    run = uuid.uuid4().hex[:8]
    slots = asyncio.Semaphore(AT_ONCE)

    async def user(number: int) -> Client:
        async with slots:
            client = await site.register(homeserver, f"{run}-user{number}")
            keys = DeviceKeys(client)
            one_time_keys = keys.one_time(sizes.keys_claimed) if number < sizes.devices else {}
            await client.upload_keys(device_keys=keys.identity(), one_time_keys=one_time_keys)
            await client.upload_cross_signing_keys(cross_signing_keys(client.user_id))
            return client

    return await asyncio.gather(*map(user, range(sizes.users)))


async def measure(
    servers: Mapping[str, Path], database: str, sizes: Sizes, *, rest: float = REST
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of CPU for each operation, by server name, in each round.

    The servers are left alone for ``rest`` seconds after they were filled.
    """
    async with AsyncExitStack() as stack:
        subjects = await asyncio.gather(
            *(
                started_subject(
                    stack,
                    name,
                    launcher,
                    database,
                    lambda site, homeserver: fill(site, homeserver, sizes),
                )
                for name, launcher in servers.items()
            )
        )
        await asyncio.sleep(rest)
        figures: dict[str, dict[str, list[float]]] = {}
        for measurement in measurements(sizes):
            rows = figures[measurement.name] = {name: [] for name in servers}
            numbers = {name: iter(range(1_000_000)) for name in servers}
            for _ in range(sizes.rounds):
                for subject in subjects:
                    spent = await measurement.cpu_ms(subject, numbers[subject.name])
                    rows[subject.name].append(spent)
        return figures


def _encrypted() -> dict[str, object]:
    return {
        "algorithm": "m.olm.v1.curve25519-aes-sha2",
        "ciphertext": {
            secrets.token_urlsafe(32): {
                "type": 0,
                "body": secrets.token_urlsafe(CIPHERTEXT_BYTES * 3 // 4),
            }
        },
        "sender_key": secrets.token_urlsafe(32),
    }


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
@click.option("--users", default=1000, show_default=True, help="Whose keys are asked for.")
@click.option("--devices", default=200, show_default=True, help="That are written to.")
@click.option("--rounds", default=3, show_default=True, help="In which the servers take turns.")
@click.option("--repeats", default=20, show_default=True, help="Of an operation in a round.")
def main(
    servers: Mapping[str, Path],
    database: str,
    users: int,
    devices: int,
    rounds: int,
    repeats: int,
) -> None:
    """Measure the CPU of key queries, key claims and to-device messages."""
    if devices >= users:
        raise click.UsageError("There must be more users than devices that are written to")
    sizes = Sizes(users, devices, rounds, repeats)
    click.echo(table(asyncio.run(measure(servers, database, sizes))))


if __name__ == "__main__":
    main(prog_name="python -m synctest.measure_encryption")
