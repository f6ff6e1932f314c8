"""A server to sync with, and people on it."""

from __future__ import annotations

import pytest

from tests.rooms_fixture import Person
from tests.sync_fixture import SyncServer


@pytest.fixture
def server() -> SyncServer:
    return SyncServer()


@pytest.fixture
def alice(server: SyncServer) -> Person:
    return server.person("alice")


@pytest.fixture
def bob(server: SyncServer) -> Person:
    return server.person("bob")


@pytest.fixture
def carol(server: SyncServer) -> Person:
    return server.person("carol")
