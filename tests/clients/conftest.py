"""A real homeserver that runs for as long as the real clients of this directory use it.

``$MYELIN_TEST_LAUNCHER`` names another launcher than Myelin's own, to see what the same
clients do on another homeserver.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from synctest.runner import OUR_LAUNCHER, sqlite, started_server
from tests.clients.node import PROJECT, Node, find_node


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeserver() -> AsyncIterator[str]:
    """The URL of the homeserver."""
    launcher = Path(os.environ.get("MYELIN_TEST_LAUNCHER", OUR_LAUNCHER))
    async with started_server(launcher, sqlite) as site:
        yield site.url


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js, with matrix-js-sdk installed."""
    found = find_node()
    found.install(PROJECT)
    return found
