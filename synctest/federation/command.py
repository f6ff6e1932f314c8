"""``python -m synctest federate``: scenarios between several homeservers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import click

from synctest.client import path_of
from synctest.federation.peers import KINDS, PeerUnavailable
from synctest.federation.scenario import Scenario, run_in_world
from synctest.federation.scenarios.programme import SCENARIOS
from synctest.federation.world import World, started_world
from synctest.postgres import PostgresCluster, PostgresUnavailable
from synctest.process import ServerFailed
from synctest.runner import Outcome, postgres, report, sqlite


@click.command()
@click.option(
    "--servers",
    default="myelin,myelin,synapse",
    show_default=True,
    help="The homeservers, separated by commas; each is the host in turn.",
)
@click.option(
    "--room-versions",
    default="12",
    show_default=True,
    help="Separated by commas, or `all`: those that all of them have.",
)
@click.option(
    "--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True
)
@click.option("--hosts", default=0, help="How many of them are hosts in turn. Default: all.")
@click.option("--keep-data", is_flag=True, help="Leave the data of the servers where it is.")
@click.argument(
    "names",
    nargs=-1,
    type=click.Choice([scenario.name for scenario in SCENARIOS]),
    metavar="[SCENARIO]...",
)
def federate(
    servers: str,
    room_versions: str,
    database: str,
    hosts: int,
    keep_data: bool,
    names: Sequence[str],
) -> None:
    """Check homeservers with each other, each scenario with every server as its host."""
    kinds = servers.split(",")
    if len(kinds) < 2 or not set(kinds) <= set(KINDS):
        raise click.UsageError(f"--servers takes two or more of {', '.join(KINDS)}")
    wanted = [scenario for scenario in SCENARIOS if not names or scenario.name in names]

    async def run() -> list[Outcome]:
        async with started_world(kinds, new_database, keep_data=keep_data) as world:
            versions = await _versions(world, room_versions)
            outcomes = []
            for turn in range(hosts or len(kinds)):
                click.echo(f"host: {kinds[turn]} {world.names[turn]}")
                outcomes += await _play(wanted, world.turned(turn), versions)
            return outcomes

    with ExitStack() as stack:
        try:
            new_database = sqlite
            if database == "postgres":
                new_database = postgres(stack.enter_context(PostgresCluster()))
            outcomes = asyncio.run(run())
        except (PeerUnavailable, PostgresUnavailable, ServerFailed) as error:
            raise click.ClickException(str(error)) from error
    sys.exit(any(outcome.failures for outcome in outcomes))


async def _play(wanted: Sequence[Scenario], world: World, versions: Sequence[str]) -> list[Outcome]:
    outcomes = []
    for scenario in wanted:
        fitting = [version for version in versions if scenario.applies_to(version)]
        for version in fitting if scenario.by_version else fitting[:1]:
            outcomes.append(await run_in_world(scenario, world, version))
            click.echo(report(outcomes[-1]))
    return outcomes


async def _versions(world: World, wanted: str) -> list[str]:
    if wanted != "all":
        return wanted.split(",")
    common: set[str] = set()
    for number, member in enumerate(world.members):
        user = await member.new_user("asker")
        answer = await member.homeserver.call("GET", path_of("capabilities"), token=user.token)
        known = {
            version
            for version in answer["capabilities"]["m.room_versions"]["available"]
            if version.isdigit()
        }
        common = known if number == 0 else common & known
    return sorted(common, key=int)
