"""Making accounts on a homeserver and logging devices in to them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from synctest.client import Client, path_of
from synctest.connection import Homeserver, JsonObject, RequestFailed

PASSWORD = "correct horse battery staple"

Registration: TypeAlias = Callable[[Homeserver, str], Awaitable[Client]]
"""Makes an account with a given localpart and logs its first device in."""


async def register_openly(homeserver: Homeserver, localpart: str) -> Client:
    """Register through ``m.login.dummy``, which the homeserver must offer to everyone."""
    request: JsonObject = {"username": localpart, "password": PASSWORD}
    path = path_of("register")
    answer = await homeserver.request("POST", path, body=json.dumps(request).encode())
    if answer.status == 401:
        session = json.loads(answer.body)["session"]
        request["auth"] = {"type": "m.login.dummy", "session": session}
        answer = await homeserver.request("POST", path, body=json.dumps(request).encode())
    if answer.status != 200:
        raise RequestFailed(f"POST {path}", answer.status, answer.body)
    return _device(homeserver, json.loads(answer.body))


def register_with_secret(secret: str) -> Registration:
    """A registration through the shared-secret admin API that several homeservers offer."""

    async def register(homeserver: Homeserver, localpart: str) -> Client:
        path = "/_synapse/admin/v1/register"
        nonce: str = (await homeserver.call("GET", path))["nonce"]
        signed = f"{nonce}\0{localpart}\0{PASSWORD}\0notadmin".encode()
        request = {
            "nonce": nonce,
            "username": localpart,
            "password": PASSWORD,
            "admin": False,
            "mac": hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest(),
        }
        return _device(homeserver, await homeserver.call("POST", path, json=request))

    return register


async def log_in(homeserver: Homeserver, user_id: str) -> Client:
    """Log a new device in to an account made here."""
    request: JsonObject = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user_id},
        "password": PASSWORD,
    }
    return _device(homeserver, await homeserver.call("POST", path_of("login"), json=request))


def _device(homeserver: Homeserver, answer: JsonObject) -> Client:
    return Client(homeserver, answer["user_id"], answer["device_id"], answer["access_token"])
