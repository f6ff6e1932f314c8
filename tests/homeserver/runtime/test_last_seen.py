"""When devices were last seen, over a stop of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synctest.accounts import register_openly
from synctest.client import path_of
from synctest.connection import Homeserver
from tests.homeserver.runtime.server_process import ServerProcess


async def only_device(homeserver: Homeserver, token: str) -> dict[str, Any]:
    """The only device of a user, as it is listed."""
    listed = await homeserver.call("GET", path_of("devices"), token=token)
    (device,) = listed["devices"]
    assert isinstance(device, dict)
    return device


async def test_a_device_was_seen_by_the_process_before(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        alice = await register_openly(homeserver, "alice")
        assert "last_seen_ts" not in await only_device(homeserver, alice.token)
        status, _ = await server.ends()
        assert status == 0
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        device = await only_device(homeserver, alice.token)
        assert isinstance(device["last_seen_ts"], int)
        assert device["last_seen_ip"] == "127.0.0.1"
