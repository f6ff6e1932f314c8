"""The keys of the server out of its configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor

from federation.keys.key_ring import KeyRequest
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import SigningKey, verify_signed_json
from homeserver.runtime.config import parse_config
from homeserver.runtime.resources import is_served
from homeserver.runtime.wiring.federation import FederationKeys, build_federation_keys
from homeserver.runtime.wiring.foundation import Foundation, lay_foundation
from tests.federation.key_servers import Network, dispatcher_of
from tests.http_requests import make_request

OLD = SigningKey.generate("old")
CONFIG = f"""
[server]
name = "here.example"
[signing]
old_keys = [{{ key_id = "{OLD.key_id}", verify_key = "{OLD.verify_key_base64}", expired_ms = 5 }}]
[federation]
trusted_key_servers = [{{ server_name = "notary.example" }}]
"""


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Foundation]:
    data = tmp_path / "data"
    data.mkdir()
    keys = [SigningKey.generate(version) for version in ("a_2", "a_1")]
    lines = (f"ed25519 {key.key_id.partition(':')[2]} {key.seed_base64}\n" for key in keys)
    (data / "signing.key").write_text("".join(lines), encoding="utf-8")
    made = lay_foundation(parse_config(CONFIG, tmp_path, {}), reactor)
    yield made
    made.database.close()


@pytest.fixture
def built(on: Foundation) -> FederationKeys:
    return build_federation_keys(on, Network(), FederationPeers(None), lambda server: None)


async def published(built: FederationKeys) -> dict[str, Any]:
    dispatcher = dispatcher_of(built.apis)
    route, parameters = dispatcher.router.find("GET", "/_matrix/key/v2/server")
    request = make_request("GET", "/_matrix/key/v2/server", parameters=parameters)
    document: dict[str, Any] = json.loads((await dispatcher.answer(route, request)).body)
    return document


async def test_every_key_in_the_file_is_published(on: Foundation, built: FederationKeys) -> None:
    document = await published(built)
    assert list(document["verify_keys"]) == ["ed25519:a_1", "ed25519:a_2"]
    for key in on.signing_keys:
        verify_signed_json(document, "here.example", key.key_id, key.verify_key_base64)
    assert on.signing_key.key_id == "ed25519:a_2"


async def test_old_keys_are_published_and_known(built: FederationKeys) -> None:
    old = (await published(built))["old_verify_keys"]
    assert old == {OLD.key_id: {"key": OLD.verify_key_base64, "expired_ts": 5}}
    request = KeyRequest(ServerName("here.example"), OLD.key_id, 5)
    assert await built.ring.keys_for([request]) == {request: OLD.verify_key_base64}


def test_what_servers_ask_is_for_listeners_for_servers(built: FederationKeys) -> None:
    routes = [route for api in built.apis for route in api.routes()]
    assert routes
    assert all(is_served(route, ["federation"]) for route in routes)
    assert not any(is_served(route, ["client"]) for route in routes)
