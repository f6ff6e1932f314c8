"""``python -m synctest.measure_federation``: what federation costs servers, beside others.

For each pair of servers the same is done, one pair after the other, each on fresh data.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import click

from synctest.federation.measured import (
    Pair,
    Sizes,
    Spent,
    begin_missing,
    catch_up,
    exchange_messages,
    growth,
    join_large_room,
    read_all,
    started_pair,
)
from synctest.federation.peers import KINDS, PeerUnavailable
from synctest.postgres import PostgresUnavailable

DEFAULT_PAIRS = ("myelin,myelin", "synapse,synapse")


async def measure(
    kinds: Sequence[str],
    database: str,
    sizes: Sizes,
    tell: Callable[[str, float], None] = lambda what, value: None,
) -> dict[str, float]:
    """The figures of a pair of servers, a host and a guest, by what they are.

    ``tell`` is told of each as soon as it is known.
    """
    figures: dict[str, float] = {}
    async with started_pair(kinds, database) as pair:
        async for found in _measured(pair, sizes):
            for what, value in found.items():
                tell(what, value)
            figures |= found
    return figures


async def _measured(pair: Pair, sizes: Sizes) -> AsyncIterator[dict[str, float]]:
    joined = await join_large_room(pair, sizes.members)
    yield _seconds(f"join, {sizes.members} members", joined)
    talked = await exchange_messages(pair, sizes.messages)
    yield {
        "message: ms": talked.wall / sizes.messages * 1000,
        "message: CPU ms, host": talked.host / sizes.messages * 1000,
        "message: CPU ms, guest": talked.guest / sizes.messages * 1000,
    }
    by_host, by_guest = await growth(pair, sizes.state_events)
    yield {"state event: bytes, host": by_host, "state event: bytes, guest": by_guest}
    room = await begin_missing(pair, sizes.missed)
    yield _seconds(f"{sizes.missed} missed, newest", await catch_up(pair, room))
    yield _seconds(f"{sizes.missed} missed, reading all", await read_all(pair, room))


def _seconds(what: str, spent: Spent) -> dict[str, float]:
    return {
        f"{what}: s": spent.wall,
        f"{what}: CPU s, host": spent.host,
        f"{what}: CPU s, guest": spent.guest,
    }


def _tell(what: str, value: float) -> None:
    click.echo(f"  {what} {value:.2f}", err=True)


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The figures of each pair, in Markdown."""
    lines = [
        "| " + " | ".join(["host → guest", *figures]) + " |",
        "|---" * (len(figures) + 1) + "|",
    ]
    for what in next(iter(figures.values())):
        values = (
            f"{row[what]:.0f}" if "bytes" in what else f"{row[what]:.2f}"
            for row in figures.values()
        )
        lines.append("| " + " | ".join([what, *values]) + " |")
    return "\n".join(lines)


def _kinds(
    context: click.Context, parameter: click.Parameter, value: Sequence[str]
) -> list[list[str]]:
    pairs = [pair.split(",") for pair in value]
    if any(len(pair) != 2 or not set(pair) <= set(KINDS) for pair in pairs):
        raise click.BadParameter(f"two of {', '.join(KINDS)}, separated by a comma")
    return pairs


@click.command()
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    default=DEFAULT_PAIRS,
    show_default=True,
    callback=_kinds,
    metavar="HOST,GUEST",
    help=f"Two servers to measure with each other, of {', '.join(KINDS)}.",
)
@click.option(
    "--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True
)
@click.option("--members", default=2000, show_default=True, help="Of the room that is joined.")
@click.option("--messages", default=1000, show_default=True, help="From the host to the guest.")
@click.option("--missed", default=10_000, show_default=True, help="While the link is cut.")
@click.option("--state-events", default=1000, show_default=True, help="That databases grow by.")
def main(
    pairs: Sequence[Sequence[str]],
    database: str,
    members: int,
    messages: int,
    missed: int,
    state_events: int,
) -> None:
    """Measure joins, messages, catching up and growth between two servers."""
    sizes = Sizes(members, messages, missed, state_events)
    figures = {}
    for kinds in pairs:
        name = " → ".join(kinds)
        click.echo(f"{name}, load average {os.getloadavg()[0]:.1f}", err=True)
        try:
            figures[name] = asyncio.run(measure(kinds, database, sizes, _tell))
        except (PeerUnavailable, PostgresUnavailable) as error:
            raise click.ClickException(str(error)) from error
    click.echo(table(figures))


if __name__ == "__main__":
    main(prog_name="python -m synctest.measure_federation")
