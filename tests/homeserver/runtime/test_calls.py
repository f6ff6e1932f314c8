"""What a server tells of calls, as it is configured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synctest.accounts import register_openly
from synctest.connection import Homeserver
from tests.homeserver.runtime.server_process import ServerProcess

TRANSPORT = {"type": "livekit", "livekit_service_url": "https://rtc.example.org"}
CONFIGURED = """
[voip]
turn_uris = ["turn:turn.example.org"]
turn_shared_secret = "north"
[matrix_rtc]
transports = [{type = "livekit", livekit_service_url = "https://rtc.example.org"}]
[delayed_events]
enabled = false
"""
VERSIONS = "/_matrix/client/versions"
TURN = "/_matrix/client/v3/voip/turnServer"
TRANSPORTS = "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"
WELL_KNOWN = "/.well-known/matrix/client"


async def told(homeserver: Homeserver, path: str, token: str | None = None) -> Any:
    answer = await homeserver.request("GET", path, token=token)
    return json.loads(answer.body)


async def test_what_is_configured_for_calls_is_announced(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path, CONFIGURED) as server, Homeserver(server.url) as homeserver:
        token = (await register_openly(homeserver, "alice")).token
        turn = await told(homeserver, TURN, token)
        assert turn["username"].endswith(":@alice:localhost")
        assert turn["uris"] == ["turn:turn.example.org"]
        transports = await told(homeserver, TRANSPORTS, token)
        assert transports["rtc_transports"] == [TRANSPORT]
        known = await told(homeserver, WELL_KNOWN)
        assert known["org.matrix.msc4143.rtc_foci"] == [TRANSPORT]
        features = (await told(homeserver, VERSIONS))["unstable_features"]
        assert features["org.matrix.msc4143"] is True
        assert "org.matrix.msc4140" not in features


async def test_without_configuration_calls_need_nothing_but_the_server(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Homeserver(server.url) as homeserver:
        token = (await register_openly(homeserver, "alice")).token
        assert await told(homeserver, TURN, token) == {}
        assert (await told(homeserver, TRANSPORTS, token))["errcode"] == "M_UNRECOGNIZED"
        features = (await told(homeserver, VERSIONS))["unstable_features"]
        assert features["org.matrix.msc4140"] is True
        assert "org.matrix.msc4143" not in features
