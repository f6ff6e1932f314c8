"""The client-server API as one logged-in device uses it."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from synctest.connection import Homeserver, JsonObject, RequestFailed

V3 = "/_matrix/client/v3"
MEDIA = "/_matrix/client/v1/media"


def path_of(*segments: str) -> str:
    """A path under ``/_matrix/client/v3`` with each segment percent-encoded."""
    return V3 + "".join("/" + quote(segment, safe="") for segment in segments)


class Client:
    """One device of one user, as `synctest.accounts` makes it."""

    def __init__(self, homeserver: Homeserver, user_id: str, device_id: str, token: str) -> None:
        self.homeserver = homeserver
        self.user_id = user_id
        self.device_id = device_id
        self.token = token
        self._txn_prefix = uuid.uuid4().hex[:8]
        self._txn_numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"<{self.user_id} on {self.device_id}>"

    def new_txn_id(self) -> str:
        """A transaction id that this device has not used."""
        return f"{self._txn_prefix}.{next(self._txn_numbers)}"

    # Rooms

    async def create_room(
        self, *, preset: str = "private_chat", invite: Iterable[str] = (), **options: Any
    ) -> str:
        """Create a room and return its id."""
        answer = await self._call(
            "POST", path_of("createRoom"), {"preset": preset, "invite": [*invite], **options}
        )
        room_id: str = answer["room_id"]
        return room_id

    async def invite(self, room_id: str, user_id: str) -> None:
        await self._call("POST", path_of("rooms", room_id, "invite"), {"user_id": user_id})

    async def join(self, room_id: str) -> None:
        await self._call("POST", path_of("rooms", room_id, "join"), {})

    async def leave(self, room_id: str) -> None:
        await self._call("POST", path_of("rooms", room_id, "leave"), {})

    # Events

    async def send(
        self,
        room_id: str,
        content: JsonObject,
        *,
        event_type: str = "m.room.message",
        txn_id: str | None = None,
    ) -> str:
        """Send a message event and return its event id."""
        path = path_of("rooms", room_id, "send", event_type, txn_id or self.new_txn_id())
        event_id: str = (await self._call("PUT", path, content))["event_id"]
        return event_id

    async def say(self, room_id: str, body: str, *, txn_id: str | None = None) -> str:
        """Send a text message and return its event id."""
        return await self.send(room_id, {"msgtype": "m.text", "body": body}, txn_id=txn_id)

    async def send_state(
        self, room_id: str, event_type: str, content: JsonObject, *, state_key: str = ""
    ) -> str:
        """Send a state event and return its event id."""
        path = path_of("rooms", room_id, "state", event_type, state_key)
        event_id: str = (await self._call("PUT", path, content))["event_id"]
        return event_id

    async def redact(self, room_id: str, event_id: str, *, txn_id: str | None = None) -> str:
        """Redact an event and return the id of the redaction."""
        path = path_of("rooms", room_id, "redact", event_id, txn_id or self.new_txn_id())
        redaction_id: str = (await self._call("PUT", path, {}))["event_id"]
        return redaction_id

    async def messages(
        self,
        room_id: str,
        *,
        direction: str = "b",
        start: str | None = None,
        limit: int = 100,
    ) -> JsonObject:
        """A page of the room's history: ``chunk``, ``start`` and, unless at the end, ``end``."""
        query: dict[str, str | int] = {"dir": direction, "limit": limit}
        if start is not None:
            query["from"] = start
        return await self._call("GET", path_of("rooms", room_id, "messages"), query=query)

    async def event(self, room_id: str, event_id: str) -> JsonObject:
        return await self._call("GET", path_of("rooms", room_id, "event", event_id))

    # Ephemeral

    async def mark_read(self, room_id: str, event_id: str) -> None:
        """Move the user's public, unthreaded read receipt."""
        await self._call("POST", path_of("rooms", room_id, "receipt", "m.read", event_id), {})

    async def set_typing(self, room_id: str, typing: bool, *, timeout_ms: int = 10_000) -> None:
        content: JsonObject = {"typing": typing, **({"timeout": timeout_ms} if typing else {})}
        await self._call("PUT", path_of("rooms", room_id, "typing", self.user_id), content)

    async def send_to_device(
        self,
        event_type: str,
        messages: Mapping[str, Mapping[str, JsonObject]],
        *,
        txn_id: str | None = None,
    ) -> None:
        """Send ``messages``: content by device id by user id."""
        path = path_of("sendToDevice", event_type, txn_id or self.new_txn_id())
        await self._call("PUT", path, {"messages": messages})

    # Keys

    async def upload_keys(self, **keys: Mapping[str, Any]) -> JsonObject:
        """Upload ``device_keys``, ``one_time_keys`` and ``fallback_keys`` of this device."""
        return await self._call("POST", path_of("keys", "upload"), keys)

    async def query_keys(self, user_ids: Iterable[str]) -> JsonObject:
        """The keys of these users and of all their devices."""
        body: JsonObject = {"device_keys": {user_id: [] for user_id in user_ids}}
        return await self._call("POST", path_of("keys", "query"), body)

    async def claim_keys(self, devices: Iterable[Client], algorithm: str) -> JsonObject:
        """Claim a key of each of these devices: keys by key ID, by device ID, by user ID."""
        wanted: dict[str, dict[str, str]] = {}
        for device in devices:
            wanted.setdefault(device.user_id, {})[device.device_id] = algorithm
        answer = await self._call("POST", path_of("keys", "claim"), {"one_time_keys": wanted})
        claimed: JsonObject = answer["one_time_keys"]
        return claimed

    async def upload_cross_signing_keys(self, keys: JsonObject) -> None:
        """Publish the user's first cross-signing keys, for which no server asks the password."""
        await self._call("POST", path_of("keys", "device_signing", "upload"), keys)

    # Sync

    async def sync(
        self,
        since: str | None = None,
        *,
        timeout_ms: int = 0,
        sync_filter: JsonObject | None = None,
    ) -> JsonObject:
        """One /sync; waits up to ``timeout_ms`` for something new."""
        query: dict[str, str | int] = {"timeout": timeout_ms}
        if since is not None:
            query["since"] = since
        if sync_filter is not None:
            query["filter"] = json.dumps(sync_filter)
        return await self._call(
            "GET", path_of("sync"), query=query, within=timeout_ms / 1000 + 60.0
        )

    # Media

    async def upload(self, body: bytes, content_type: str, *, filename: str | None = None) -> str:
        """Upload a file and return its ``mxc://`` URI."""
        answer = await self.homeserver.request(
            "POST",
            "/_matrix/media/v3/upload",
            token=self.token,
            query={"filename": filename} if filename else None,
            body=body,
            content_type=content_type,
        )
        if answer.status != 200:
            raise RequestFailed("POST upload", answer.status, answer.body)
        uri: str = json.loads(answer.body)["content_uri"]
        return uri

    async def download(self, uri: str) -> bytes:
        """The bytes behind an ``mxc://`` URI, through the authenticated endpoint."""
        path = f"{MEDIA}/download/{uri.removeprefix('mxc://')}"
        answer = await self.homeserver.request("GET", path, token=self.token)
        if answer.status != 200:
            raise RequestFailed(f"GET {path}", answer.status, answer.body)
        return answer.body

    async def _call(
        self,
        method: str,
        path: str,
        json: JsonObject | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        within: float = 60.0,
    ) -> JsonObject:
        return await self.homeserver.call(
            method, path, token=self.token, query=query, json=json, within=within
        )
