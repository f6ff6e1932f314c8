"""A server to read from, and people on it."""

from __future__ import annotations

import pytest

from tests.rooms_fixture import Person
from tests.sync_fixture import SyncServer


@pytest.fixture
def reading() -> SyncServer:
    """The rooms part of a server, with everything that reads rooms."""
    return SyncServer()


@pytest.fixture
def alice(reading: SyncServer) -> Person:
    return reading.person("alice")


@pytest.fixture
def bob(reading: SyncServer) -> Person:
    return reading.person("bob")


@pytest.fixture
def carol(reading: SyncServer) -> Person:
    return reading.person("carol")
