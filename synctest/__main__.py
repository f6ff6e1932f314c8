"""``python -m synctest``: run scenarios against a homeserver."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from synctest.accounts import Registration, register_openly, register_with_secret
from synctest.cast import Site
from synctest.federation.command import federate
from synctest.postgres import PostgresCluster, PostgresUnavailable
from synctest.process import ServerFailed
from synctest.runner import (
    OUR_LAUNCHER,
    Outcome,
    Scenario,
    postgres,
    report,
    run_scenario,
    sqlite,
    started_server,
)
from synctest.scenarios.chat import Chat
from synctest.scenarios.claims import Claims
from synctest.scenarios.kill9 import Kill9
from synctest.scenarios.mailbox import Mailbox
from synctest.scenarios.restart import Restart

NAMES = (Chat.name, Restart.name, Kill9.name, Claims.name, Mailbox.name)


@click.command()
@click.option("--target", metavar="URL", help="A homeserver that runs already.")
@click.option(
    "--launcher",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=OUR_LAUNCHER,
    help="Starts the homeserver: LAUNCHER DATA_DIR PORT DATABASE. Default: Myelin's own.",
)
@click.option(
    "--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True
)
@click.option("--shared-secret", help="Register through this secret instead of m.login.dummy.")
@click.option(
    "--kills", default=100, show_default=True, help="How often a scenario kills the server."
)
@click.option("--clients", default=200, show_default=True, help="Who claim keys in claims.")
@click.option("--messages", default=10_000, show_default=True, help="To the device of mailbox.")
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option("--keep-data", is_flag=True, help="Leave the data of the servers where it is.")
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[SCENARIO]...")
def main(
    target: str | None,
    launcher: Path,
    database: str,
    shared_secret: str | None,
    kills: int,
    clients: int,
    messages: int,
    seed: int,
    keep_data: bool,
    names: Sequence[str],
) -> None:
    """Check a homeserver from outside: chat, restart, kill9, claims, mailbox.

    By default, all that apply.  `federate --help` tells of several homeservers.
    """
    register = register_with_secret(shared_secret) if shared_secret else register_openly
    every: list[Scenario] = [
        Chat(seed=seed),
        Restart(seed=seed),
        Kill9(kills=kills, seed=seed),
        Claims(kills=kills, clients=clients, seed=seed),
        Mailbox(kills=kills, messages=messages, seed=seed),
    ]
    wanted = [scenario for scenario in every if not names or scenario.name in names]
    if target is not None:
        outcomes = asyncio.run(_on_target(wanted, Site(target, register), explicit=bool(names)))
    else:
        outcomes = _on_own_servers(wanted, launcher, database, register, keep_data)
    sys.exit(any(outcome.failures for outcome in outcomes))


async def _on_target(wanted: Sequence[Scenario], site: Site, *, explicit: bool) -> list[Outcome]:
    outcomes = []
    for scenario in wanted:
        if not scenario.controls_process:
            outcomes.append(await run_scenario(scenario, site))
            click.echo(report(outcomes[-1]))
        elif explicit:
            raise click.UsageError(f"{scenario.name} stops the server: it needs --launcher")
        else:
            click.echo(f"{scenario.name:10} left out: it stops the server, which is not ours")
    return outcomes


def _on_own_servers(
    wanted: Sequence[Scenario],
    launcher: Path,
    database: str,
    register: Registration,
    keep_data: bool,
) -> list[Outcome]:
    async def run(scenario: Scenario) -> Outcome:
        async with started_server(
            launcher, new_database, register=register, keep_data=keep_data
        ) as site:
            return await run_scenario(scenario, site)

    outcomes = []
    with ExitStack() as stack:
        try:
            new_database = sqlite
            if database == "postgres":
                new_database = postgres(stack.enter_context(PostgresCluster()))
            for scenario in wanted:
                outcomes.append(asyncio.run(run(scenario)))
                click.echo(report(outcomes[-1]))
        except (PostgresUnavailable, ServerFailed) as error:
            raise click.ClickException(str(error)) from error
    return outcomes


if __name__ == "__main__":
    # Ended either way, the harness ends the servers that it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.argv[1:2] == ["federate"]:
        federate(sys.argv[2:], prog_name="python -m synctest federate")
    main(prog_name="python -m synctest")
