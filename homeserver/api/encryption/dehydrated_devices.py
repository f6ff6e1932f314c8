"""Devices that nobody is logged in to (MSC3814)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import parse_device_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, route, unstable
from homeserver.ports.encryption.to_device import StoredMessage
from homeserver.services.encryption.dehydrated_devices import (
    AT_ONCE,
    DehydratedDevices,
    DehydratedUpload,
)

_SECTION: Final = "MSC3814"
_NAMESPACE: Final = "org.matrix.msc3814.v1"


class DehydratedDeviceBody(msgspec.Struct):
    """The body of ``PUT /dehydrated_device``."""

    device_id: str
    device_data: dict[str, Any]
    device_keys: dict[str, Any]
    initial_device_display_name: str | None = None
    one_time_keys: dict[str, Any] | None = None
    fallback_keys: dict[str, Any] | None = None


class EventsBody(msgspec.Struct):
    """The body of ``POST /dehydrated_device/{device_id}/events``."""

    next_batch: str | None = None


class DehydratedDevicesApi:
    """The dehydrated device of the user."""

    def __init__(self, devices: DehydratedDevices) -> None:
        self._devices = devices

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        device = unstable("/dehydrated_device", _NAMESPACE)
        events = unstable("/dehydrated_device/{deviceId}/events", _NAMESPACE)
        return [
            route("PUT", device, self.put, body=DehydratedDeviceBody, section=_SECTION),
            route("GET", device, self.get, section=_SECTION),
            route("DELETE", device, self.delete, section=_SECTION),
            route("GET", events, self.events, section=_SECTION),
            route("POST", events, self.older_events, body=EventsBody, section=_SECTION),
        ]

    async def put(self, request: Request, body: DehydratedDeviceBody) -> Answer:
        """``PUT /dehydrated_device``"""
        device_id = parse_device_id(body.device_id)
        upload = DehydratedUpload(
            device_id,
            body.device_data,
            body.initial_device_display_name,
            body.device_keys,
            body.one_time_keys or {},
            body.fallback_keys or {},
        )
        await self._devices.put(request.user_id, upload)
        return ok({"device_id": device_id})

    async def get(self, request: Request) -> Answer:
        """``GET /dehydrated_device``"""
        device = await self._devices.get(request.user_id)
        data = msgspec.Raw(device.device_data)
        return ok({"device_id": device.device_id, "device_data": data})

    async def delete(self, request: Request) -> Answer:
        """``DELETE /dehydrated_device``"""
        return ok({"device_id": await self._devices.delete(request.user_id)})

    async def events(self, request: Request) -> Answer:
        """``GET /dehydrated_device/{deviceId}/events``: the last batch has no ``next_batch``."""
        messages = await self._messages(request, request.query_value("from"))
        body = _events_body(messages)
        if len(messages) == AT_ONCE:
            body["next_batch"] = str(messages[-1].position)
        return ok(body)

    async def older_events(self, request: Request, body: EventsBody) -> Answer:
        """``POST /dehydrated_device/{deviceId}/events``, of an earlier version of the proposal: the
        last batch is empty."""
        messages = await self._messages(request, body.next_batch)
        newest = str(messages[-1].position) if messages else body.next_batch or "0"
        return ok({**_events_body(messages), "next_batch": newest})

    async def _messages(self, request: Request, after: str | None) -> list[StoredMessage]:
        device_id = parse_device_id(request.parameters["deviceId"])
        return await self._devices.messages(request.user_id, device_id, after)


def _events_body(messages: list[StoredMessage]) -> JsonObject:
    return {"events": [msgspec.Raw(message.event) for message in messages]}
