"""The keys of devices: uploading, looking up, claiming.

Client-server API, "Key management API".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from homeserver.domain.errors import MissingParam
from homeserver.domain.identifiers import UserId, parse_user_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, client, route
from homeserver.services.encryption.device_keys import DeviceKeys, KeyUpload
from homeserver.services.encryption.key_claims import KeyClaims
from homeserver.services.encryption.key_queries import KeyQueries

_SECTION: Final = "Key management API"

ChangesBetween = Callable[[UserId, str, str], Awaitable[tuple[set[UserId], set[UserId]]]]


class UploadBody(msgspec.Struct):
    """The body of ``POST /keys/upload``. The older name of ``fallback_keys`` is still in use."""

    device_keys: dict[str, Any] | None = None
    one_time_keys: dict[str, Any] | None = None
    fallback_keys: dict[str, Any] | None = None
    unstable_fallback_keys: dict[str, Any] | None = msgspec.field(
        default=None, name="org.matrix.msc2732.fallback_keys"
    )


class QueryBody(msgspec.Struct):
    """The body of ``POST /keys/query``."""

    device_keys: dict[str, list[str]]
    timeout: int | None = None


class ClaimBody(msgspec.Struct):
    """The body of ``POST /keys/claim``."""

    one_time_keys: dict[str, dict[str, str]]
    timeout: int | None = None


class DeviceKeysApi:
    """The keys of devices. ``changes_between`` tells of the users whose keys changed between two
    sync tokens, and of those who do not share a room any more."""

    def __init__(
        self,
        keys: DeviceKeys,
        queries: KeyQueries,
        claims: KeyClaims,
        changes_between: ChangesBetween,
    ) -> None:
        self._keys = keys
        self._queries = queries
        self._claims = claims
        self._changes_between = changes_between

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        upload, query = client("/keys/upload"), client("/keys/query")
        claim, changes = client("/keys/claim"), client("/keys/changes")
        guest = Access.GUEST
        return [
            route("POST", upload, self.upload, body=UploadBody, access=guest, section=_SECTION),
            route("POST", query, self.query, body=QueryBody, access=guest, section=_SECTION),
            route("POST", claim, self.claim, body=ClaimBody, access=guest, section=_SECTION),
            route("GET", changes, self.changes, access=guest, section=_SECTION),
        ]

    async def upload(self, request: Request, body: UploadBody) -> Answer:
        """``POST /keys/upload``"""
        upload = KeyUpload(
            body.device_keys,
            body.one_time_keys or {},
            body.fallback_keys or body.unstable_fallback_keys or {},
        )
        counts = await self._keys.upload(request.requester, upload)
        return ok({"one_time_key_counts": counts})

    async def query(self, request: Request, body: QueryBody) -> Answer:
        """``POST /keys/query``"""
        wanted = {parse_user_id(user): devices for user, devices in body.device_keys.items()}
        return Answer(await self._queries.query(request.user_id, wanted))

    async def claim(self, request: Request, body: ClaimBody) -> Answer:
        """``POST /keys/claim``"""
        wanted = {parse_user_id(user): devices for user, devices in body.one_time_keys.items()}
        return Answer(await self._claims.claim(wanted))

    async def changes(self, request: Request) -> Answer:
        """``GET /keys/changes``"""
        since, until = request.query_value("from"), request.query_value("to")
        if since is None or until is None:
            raise MissingParam("The query must have `from` and `to`")
        changed, left = await self._changes_between(request.user_id, since, until)
        return ok({"changed": sorted(changed), "left": sorted(left)})
