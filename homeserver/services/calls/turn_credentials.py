"""Credentials for TURN servers, which carry the media of calls through firewalls.

Client-server API, "Voice over IP". With a shared secret the credentials are those of the TURN REST
API (draft-uberti-behave-turn-rest), which coturn and others check by themselves: the name says
until when they are valid and for whom, the password proves that this server gave them out.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1
from hmac import digest

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import UserId
from homeserver.ports.clock import Clock


@attrs.frozen
class TurnServers:
    """The TURN servers there are, none without ``uris``.

    ``secret`` is what they share with this server; without one, everybody gets the same
    ``username`` and ``password``. Credentials are to be asked for anew after ``ttl_seconds``.
    """

    uris: Sequence[str] = ()
    ttl_seconds: int = 86_400
    secret: str | None = attrs.field(default=None, repr=False)
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)


class TurnCredentials:
    """Gives out credentials."""

    def __init__(self, servers: TurnServers, clock: Clock) -> None:
        self._servers = servers
        self._clock = clock

    def of(self, user_id: UserId) -> JsonObject:
        """What a user's client needs to use the servers; {} when there are none."""
        servers = self._servers
        if not servers.uris:
            return {}
        username, password = servers.username, servers.password
        if servers.secret is not None:
            username = f"{self._clock.now_ms() // 1000 + servers.ttl_seconds}:{user_id}"
            proof = digest(servers.secret.encode(), username.encode(), sha1)
            password = b64encode(proof).decode()
        return {
            "username": username,
            "password": password,
            "uris": list(servers.uris),
            "ttl": servers.ttl_seconds,
        }
