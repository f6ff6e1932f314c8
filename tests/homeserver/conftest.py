"""Parts of a server to test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.homeserver.accounts import AccountsServer


@pytest.fixture
def server() -> Iterator[AccountsServer]:
    """The accounts part of a server, open for registration and without rate limits."""
    with AccountsServer() as made:
        yield made
