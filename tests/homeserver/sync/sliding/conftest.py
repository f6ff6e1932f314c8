"""A server to sync with through a window, and people on it."""

from __future__ import annotations

import pytest

from tests.sliding_fixture import SlidingServer


@pytest.fixture
def server() -> SlidingServer:
    return SlidingServer()
