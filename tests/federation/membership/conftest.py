"""A world of servers for every test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.deferreds import on_event_loop
from tests.federation.certificates import CertificateAuthority
from tests.federation.membership.servers import FederatedServer, World
from tests.federation.transport.conftest import Internet
from tests.federation.transport.internet import RoutedReactor


@pytest.fixture(scope="session")
def authority() -> CertificateAuthority:
    """The authority that the servers believe."""
    return CertificateAuthority()


@pytest_asyncio.fixture
async def world(tmp_path: Path, authority: CertificateAuthority) -> AsyncIterator[World]:
    """Servers that can reach each other."""
    internet = Internet(RoutedReactor(asyncio.get_running_loop()), tmp_path, authority)
    made = World(internet)
    yield made
    await made.close()
    await on_event_loop(internet.close())


@pytest_asyncio.fixture
async def here(world: World) -> FederatedServer:
    """The server that asks."""
    return world.server("here.test")


@pytest_asyncio.fixture
async def there(world: World) -> FederatedServer:
    """The server that is asked."""
    return world.server("there.test")
