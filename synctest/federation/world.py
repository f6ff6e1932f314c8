"""Several homeservers that know each other: a small internet on the loopback interface."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs

from synctest.accounts import register_openly
from synctest.client import Client
from synctest.connection import Homeserver
from synctest.federation.authority import Certificate, issue_certificate
from synctest.federation.links import Gate, Links
from synctest.federation.peers import environment_of, launcher_of
from synctest.process import ServerProcess, free_port

PATIENCE = 60.0
"""Seconds for which clients repeat what was not answered."""


@attrs.frozen(eq=False)
class Member:
    """One homeserver of a world.

    ``name`` is its server name, 127.0.0.1 and the port of its gate.
    """

    name: str
    kind: str
    process: ServerProcess
    gate: Gate
    homeserver: Homeserver

    async def new_user(self, localpart: str) -> Client:
        """Register a user with a name that nobody has yet."""
        return await register_openly(self.homeserver, f"{localpart}-{uuid.uuid4().hex[:8]}")


@attrs.frozen
class World:
    """The members, of which the first is host in most scenarios, and the links between them."""

    members: Sequence[Member]
    links: Links
    certificate: Certificate

    @property
    def names(self) -> list[str]:
        return [member.name for member in self.members]

    def turned(self, places: int) -> World:
        """The same world with another member first."""
        places %= len(self.members)
        members = [*self.members[places:], *self.members[:places]]
        return attrs.evolve(self, members=members)

    async def users(self, *localparts: str) -> list[Client]:
        """New users: the first on the first member, and so on, around and around."""
        return list(
            await asyncio.gather(
                *(
                    self.members[number % len(self.members)].new_user(localpart)
                    for number, localpart in enumerate(localparts)
                )
            )
        )

    def member_of(self, client: Client) -> Member:
        """The homeserver of a user."""
        name = client.user_id.partition(":")[2]
        return next(member for member in self.members if member.name == name)


@asynccontextmanager
async def started_world(
    kinds: Sequence[str],
    new_database: Callable[[], str] = lambda: "sqlite",
    *,
    keep_data: bool = False,
) -> AsyncIterator[World]:
    """Homeservers of these kinds on fresh data, for as long as the block runs.

    Raises `PeerUnavailable` when one of them is not installed.
    """
    environments = [environment_of(kind) for kind in kinds]
    directory = Path(tempfile.mkdtemp(prefix="synctest-world-"))
    certificate = issue_certificate(directory)
    links = Links()
    members: list[Member] = []

    def pids() -> dict[str, int]:
        return {member.name: member.process.pid for member in members if member.process.running}

    async with AsyncExitStack() as stack:
        if not keep_data:
            stack.callback(shutil.rmtree, directory)
        for number, kind in enumerate(kinds):
            data_dir = directory / f"{number}-{kind}"
            data_dir.mkdir()
            port, behind = free_port(), free_port()
            name = f"127.0.0.1:{port}"
            gate = Gate(name, behind, links, pids)
            await gate.open(port)
            stack.push_async_callback(gate.close)
            process = ServerProcess(
                launcher_of(kind),
                data_dir,
                new_database(),
                {**environments[number], **_introduction(name, behind, certificate)},
            )
            stack.callback(process.kill9)
            homeserver = Homeserver(process.url, patience=PATIENCE)
            await stack.enter_async_context(homeserver)
            members.append(Member(name, kind, process, gate, homeserver))
        await asyncio.gather(*(member.process.start() for member in members))
        yield World(members, links, certificate)


def _introduction(name: str, port: int, certificate: Certificate) -> Mapping[str, str]:
    """What a launcher is told about the federation, through the environment."""
    return {
        "SYNCTEST_SERVER_NAME": name,
        "SYNCTEST_FEDERATION_PORT": str(port),
        "SYNCTEST_TLS_CERTIFICATE": str(certificate.certificate),
        "SYNCTEST_TLS_PRIVATE_KEY": str(certificate.private_key),
        "SYNCTEST_CA_FILE": str(certificate.authority),
    }
