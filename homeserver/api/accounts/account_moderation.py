"""What administrators may do to accounts.

Client-server API, "Account moderation" and "Server administration".
"""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.domain.identifiers import UserId, parse_user_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route
from homeserver.ports.accounts.devices import Device
from homeserver.services.accounts.account_moderation import AccountModeration


class LockBody(msgspec.Struct):
    """The body of ``PUT /admin/lock/{userId}``."""

    locked: bool


class SuspendBody(msgspec.Struct):
    """The body of ``PUT /admin/suspend/{userId}``."""

    suspended: bool


class AccountModerationApi:
    """Locking, suspending and looking up accounts."""

    def __init__(self, moderation: AccountModeration) -> None:
        self._moderation = moderation

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        lock, suspend = (client(f"/admin/{name}/{{userId}}", "v1") for name in ("lock", "suspend"))
        return [
            route(
                "GET",
                client("/admin/whois/{userId}"),
                self.whois,
                section="Server administration",
            ),
            route("GET", lock, self.is_locked, section="Account locking"),
            route("PUT", lock, self.set_locked, body=LockBody, section="Account locking"),
            route("GET", suspend, self.is_suspended, section="Account suspension"),
            route(
                "PUT", suspend, self.set_suspended, body=SuspendBody, section="Account suspension"
            ),
        ]

    async def whois(self, request: Request) -> Answer:
        """``GET /admin/whois/{userId}``"""
        user_id = _user_id(request)
        devices = await self._moderation.whois(request.requester, user_id)
        return ok(
            {
                "user_id": user_id,
                "devices": {device.device_id: _device_body(device) for device in devices},
            }
        )

    async def is_locked(self, request: Request) -> Answer:
        """``GET /admin/lock/{userId}``"""
        account = await self._moderation.account(request.requester, _user_id(request))
        return ok({"locked": account.is_locked})

    async def set_locked(self, request: Request, body: LockBody) -> Answer:
        """``PUT /admin/lock/{userId}``"""
        await self._moderation.set_locked(request.requester, _user_id(request), body.locked)
        return ok({"locked": body.locked})

    async def is_suspended(self, request: Request) -> Answer:
        """``GET /admin/suspend/{userId}``"""
        account = await self._moderation.account(request.requester, _user_id(request))
        return ok({"suspended": account.is_suspended})

    async def set_suspended(self, request: Request, body: SuspendBody) -> Answer:
        """``PUT /admin/suspend/{userId}``"""
        await self._moderation.set_suspended(request.requester, _user_id(request), body.suspended)
        return ok({"suspended": body.suspended})


def _user_id(request: Request) -> UserId:
    return parse_user_id(request.parameters["userId"])


def _device_body(device: Device) -> dict[str, Any]:
    connection = {
        "ip": device.last_seen_ip,
        "last_seen": device.last_seen_ts,
        "user_agent": device.last_seen_user_agent,
    }
    known = {name: value for name, value in connection.items() if value is not None}
    return {"sessions": [{"connections": [known] if known else []}]}
