"""What servers are measured by: the CPU that they and their databases take for an operation.

The servers run on fresh data of their own, are filled alike, and are measured in turn. CPU depends
little on what else the machine does, unlike the time that an operation takes.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import click

from synctest.accounts import register_openly
from synctest.cast import Site
from synctest.client import Client
from synctest.connection import Homeserver
from synctest.cpu import tree_cpu
from synctest.postgres import PostgresCluster
from synctest.runner import postgres, sqlite, started_server

Fill = Callable[[Site, Homeserver], Awaitable[Sequence[Client]]]
"""Makes the accounts of a server, and what they have."""


@attrs.frozen
class Subject:
    """A server that is measured: who acts on it, and the processes that it consists of."""

    name: str
    users: Sequence[Client]
    pids: Sequence[int]

    def cpu(self) -> float:
        """Seconds that the server has used until now, its database's included."""
        return sum(map(tree_cpu, self.pids))


async def started_subject(
    stack: AsyncExitStack, name: str, launcher: Path, database: str, fill: Fill
) -> Subject:
    """A server on fresh data that was filled; it ends with the stack."""
    pids = []
    new_database = sqlite
    if database == "postgres":
        # A cluster for each server, so that its CPU can be told from the others'.
        cluster = stack.enter_context(PostgresCluster())
        new_database = postgres(cluster)
        pids.append(cluster.pid)
    site = await stack.enter_async_context(
        started_server(launcher, new_database, register=register_openly)
    )
    homeserver = await stack.enter_async_context(Homeserver(site.url))
    users = await fill(site, homeserver)
    return Subject(name, users, [*pids, site.own_process.pid])


def table(figures: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """The figures in Markdown: medians of the rounds, and what each server needs of the first."""
    first, *others = next(iter(figures.values()))
    heads = ["CPU ms per operation", first, *others, *(f"{name} / {first}" for name in others)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for operation, rows in figures.items():
        medians = [f"{statistics.median(spent):.2f}" for spent in rows.values()]
        ratios = [
            statistics.median(own / base for own, base in zip(rows[name], rows[first], strict=True))
            for name in others
        ]
        lines.append(
            "| " + " | ".join([operation, *medians, *(f"1/{1 / r:.1f}" for r in ratios)]) + " |"
        )
    return "\n".join(lines)


def named_launchers(
    context: click.Context, parameter: click.Parameter, value: Sequence[str]
) -> dict[str, Path]:
    """The callback of an option whose values are NAME=LAUNCHER."""
    servers = {}
    for pair in value:
        name, _, launcher = pair.partition("=")
        if not Path(launcher).is_file():
            raise click.BadParameter(f"{pair!r} is not NAME=LAUNCHER")
        servers[name] = Path(launcher)
    return servers
