"""Runs scenarios, each against a server with fresh data, and reports how they ended."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import attrs

from synctest.accounts import Registration, register_openly
from synctest.cast import Site
from synctest.connection import RequestFailed, Unreachable
from synctest.failure import ScenarioFailed
from synctest.postgres import PostgresCluster
from synctest.process import ServerFailed, ServerProcess

OUR_LAUNCHER = Path(__file__).parent / "launchers" / "myelin"
"""Starts Myelin from this source tree."""

FAILURES = (ScenarioFailed, ServerFailed, RequestFailed, Unreachable)
"""What a homeserver can be blamed for; anything else is an error of the harness."""


class Scenario(Protocol):
    """One idea of what to do to a homeserver and what must hold afterwards."""

    @property
    def name(self) -> str: ...

    @property
    def controls_process(self) -> bool:
        """Whether it stops and starts the server, which must then be ours."""

    async def run(self, site: Site) -> Mapping[str, int]:
        """Raises one of `FAILURES`, or a group of them; returns figures for the report."""


@attrs.frozen
class Outcome:
    """How one scenario ended: ``failures`` is empty when all was well."""

    scenario: str
    seconds: float
    figures: Mapping[str, int]
    failures: tuple[str, ...] = ()
    server_output: str = ""


async def run_scenario(scenario: Scenario, site: Site) -> Outcome:
    """Run one scenario, turning what the homeserver did wrong into failures."""
    began = time.monotonic()
    figures: Mapping[str, int] = {}
    failures: tuple[str, ...] = ()
    try:
        figures = await scenario.run(site)
    except* FAILURES as group:
        failures = tuple(f"{type(error).__name__}: {error}" for error in leaves_of(group))
    output = site.process.output_tail() if failures and site.process else ""
    return Outcome(scenario.name, time.monotonic() - began, figures, failures, output)


@asynccontextmanager
async def started_server(
    launcher: Path,
    new_database: Callable[[], str],
    *,
    register: Registration = register_openly,
    keep_data: bool = False,
) -> AsyncIterator[Site]:
    """A server on fresh data, for as long as the block runs."""
    data_dir = Path(tempfile.mkdtemp(prefix="synctest-data-"))
    process = ServerProcess(launcher, data_dir, new_database())
    try:
        await process.start()
        yield Site(process.url, register, process)
    finally:
        process.kill9()
        if not keep_data:
            shutil.rmtree(data_dir)


def sqlite() -> str:
    """The database argument of a launcher for the embedded database."""
    return "sqlite"


def postgres(cluster: PostgresCluster) -> Callable[[], str]:
    """Makes the database arguments of launchers: a new database of the cluster each time."""
    return lambda: f"postgres:{cluster.create_database()}"


def report(outcome: Outcome) -> str:
    """An outcome in words, for the terminal."""
    verdict = "FAILED" if outcome.failures else "ok"
    figures = ", ".join(f"{count} {what}" for what, count in outcome.figures.items())
    lines = [f"{outcome.scenario:10} {verdict:6} {outcome.seconds:7.1f} s  {figures}".rstrip()]
    lines += [f"    {failure}" for failure in outcome.failures]
    if outcome.server_output:
        lines.append("    the server's last words:")
        lines += [f"    | {line}" for line in outcome.server_output.splitlines()]
    return "\n".join(lines)


def leaves_of(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    """The exceptions in a group, and in the groups in it."""
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += leaves_of(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
