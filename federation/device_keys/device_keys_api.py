"""The keys of this server's users, for other servers.

Server-server API, "Device Management" and "End-to-End Encryption".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING
from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import ServerName, UserId, parse_user_id, server_name_of
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.federation.outbound import DeviceListStreamStore, OwnDevice
from homeserver.services.encryption.key_claims import KeyClaims
from homeserver.services.encryption.key_queries import KeyQueries

_DEVICES: Final = "Device Management"
_KEYS: Final = "End-to-End Encryption"
_NOBODY: Final = UserId("")

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class QueryBody(msgspec.Struct):
    """The body of ``POST /user/keys/query``."""

    device_keys: dict[str, list[str]]


class ClaimBody(msgspec.Struct):
    """The body of ``POST /user/keys/claim``."""

    one_time_keys: dict[str, dict[str, str]]


class FederationDeviceKeysApi:
    """What other servers ask about the devices of this one's users."""

    def __init__(
        self,
        server_name: ServerName,
        stream: DeviceListStreamStore,
        queries: KeyQueries,
        claims: KeyClaims,
    ) -> None:
        self._server_name = server_name
        self._stream = stream
        self._queries = queries
        self._claims = claims

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        access, rate = Access.FEDERATION, RateClass.NONE
        base = "/_matrix/federation/v1/user"
        return [
            route(
                "GET",
                (f"{base}/devices/{{userId}}",),
                self.devices,
                access=access,
                rate=rate,
                section=_DEVICES,
            ),
            route(
                "POST",
                (f"{base}/keys/query",),
                self.query,
                body=QueryBody,
                access=access,
                rate=rate,
                section=_KEYS,
            ),
            route(
                "POST",
                (f"{base}/keys/claim",),
                self.claim,
                body=ClaimBody,
                access=access,
                rate=rate,
                section=_KEYS,
            ),
        ]

    async def devices(self, request: Request) -> Answer:
        """``GET /user/devices/{userId}``"""
        user_id = self._own_user(request.parameters["userId"])
        found = await self._stream.device_list(user_id)
        answer: JsonObject = {
            "user_id": user_id,
            "stream_id": found.stream_id,
            "devices": [_device(device) for device in found.devices],
        }
        for usage in (MASTER, SELF_SIGNING):
            if usage in found.cross_signing:
                answer[f"{usage}_key"] = _decode(found.cross_signing[usage])
        return ok(answer)

    async def query(self, request: Request, body: QueryBody) -> Answer:
        """``POST /user/keys/query``"""
        self._check_own(body.device_keys)
        wanted = {UserId(user_id): names for user_id, names in body.device_keys.items()}
        return Answer(await self._queries.query(_NOBODY, wanted))

    async def claim(self, request: Request, body: ClaimBody) -> Answer:
        """``POST /user/keys/claim``"""
        self._check_own(body.one_time_keys)
        wanted = {UserId(user_id): names for user_id, names in body.one_time_keys.items()}
        return Answer(await self._claims.claim(wanted))

    def _check_own(self, user_ids: Iterable[str]) -> None:
        for user_id in user_ids:
            self._own_user(user_id)

    def _own_user(self, raw: str) -> UserId:
        user_id = parse_user_id(raw)
        if server_name_of(user_id) != self._server_name:
            raise InvalidParam("This is not a user of this server")
        return user_id


def _device(device: OwnDevice) -> JsonObject:
    shown: JsonObject = {"device_id": device.device_id, "keys": _decode(device.keys)}
    if device.display_name is not None:
        shown["device_display_name"] = device.display_name
    return shown
