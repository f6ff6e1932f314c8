"""A user's devices.

Client-server API, "Device management".
"""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.api.accounts.interactive_auth import authorise
from homeserver.domain.identifiers import DeviceId, parse_device_id
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, client, route
from homeserver.ports.accounts.devices import Device
from homeserver.services.accounts.devices import Devices
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth

_SECTION = "Device management"


class UpdateDeviceBody(msgspec.Struct):
    """The body of ``PUT /devices/{deviceId}``."""

    display_name: str | None = None


class DeleteDeviceBody(msgspec.Struct):
    """The body of ``DELETE /devices/{deviceId}``."""

    auth: dict[str, Any] | None = None


class DeleteDevicesBody(msgspec.Struct):
    """The body of ``POST /delete_devices``."""

    devices: list[str]
    auth: dict[str, Any] | None = None


class DevicesApi:
    """The devices of the user."""

    def __init__(self, devices: Devices, interactive: UserInteractiveAuth) -> None:
        self._devices = devices
        self._interactive = interactive

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        device = client("/devices/{deviceId}")
        return [
            route("GET", client("/devices"), self.list, access=Access.GUEST, section=_SECTION),
            route("GET", device, self.get, access=Access.GUEST, section=_SECTION),
            route(
                "PUT",
                device,
                self.update,
                body=UpdateDeviceBody,
                access=Access.GUEST,
                section=_SECTION,
            ),
            route("DELETE", device, self.delete, body=DeleteDeviceBody, section=_SECTION),
            route(
                "POST",
                client("/delete_devices"),
                self.delete_many,
                body=DeleteDevicesBody,
                section=_SECTION,
            ),
        ]

    async def list(self, request: Request) -> Answer:
        """``GET /devices``"""
        devices = await self._devices.list(request.user_id)
        return ok({"devices": [_device_body(device) for device in devices]})

    async def get(self, request: Request) -> Answer:
        """``GET /devices/{deviceId}``"""
        return ok(_device_body(await self._devices.get(request.user_id, _device_id(request))))

    async def update(self, request: Request, body: UpdateDeviceBody) -> Answer:
        """``PUT /devices/{deviceId}``"""
        await self._devices.update(request.user_id, _device_id(request), body.display_name)
        return EMPTY

    async def delete(self, request: Request, body: DeleteDeviceBody) -> Answer:
        """``DELETE /devices/{deviceId}``"""
        device_id = _device_id(request)
        await authorise(self._interactive, request, body.auth)
        await self._devices.delete(request.user_id, [device_id])
        return EMPTY

    async def delete_many(self, request: Request, body: DeleteDevicesBody) -> Answer:
        """``POST /delete_devices``"""
        device_ids = [parse_device_id(device_id) for device_id in body.devices]
        await authorise(self._interactive, request, body.auth)
        await self._devices.delete(request.user_id, device_ids)
        return EMPTY


def _device_id(request: Request) -> DeviceId:
    return parse_device_id(request.parameters["deviceId"])


def _device_body(device: Device) -> dict[str, Any]:
    body = {
        "device_id": device.device_id,
        "display_name": device.display_name,
        "last_seen_ts": device.last_seen_ts,
        "last_seen_ip": device.last_seen_ip,
    }
    return {name: value for name, value in body.items() if value is not None}
