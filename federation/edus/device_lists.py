"""Changes of devices and of cross-signing keys of other servers' users.

Server-server API, "Device Management" and "End-to-End Encryption".
"""

from __future__ import annotations

from typing import Any, Final

from federation.device_keys.device_list_json import (
    parse_cross_signing,
    parse_device,
    parse_stream_id,
)
from federation.device_keys.remote_device_lists import RemoteDeviceLists
from federation.edus.receiver import text_of, user_of
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson
from homeserver.domain.identifiers import ServerName, parse_device_id

MOST_PREVIOUS: Final = 1_000
"""How many changes another may follow."""


class DeviceListUpdateReceived:
    """Takes in m.device_list_update."""

    def __init__(self, lists: RemoteDeviceLists) -> None:
        self._lists = lists

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """See :class:`federation.edus.receiver.EduHandler`."""
        user_id = user_of(origin, content.get("user_id"))
        device_id = parse_device_id(text_of(content, "device_id"))
        stream_id = parse_stream_id(content.get("stream_id"))
        previous = _previous(content.get("prev_id"))
        is_deleted = content.get("deleted") is True
        changed = None if is_deleted else parse_device(user_id, content)
        # Without keys it is of no use to anybody.
        deleted = device_id if changed is None else None
        await self._lists.changed(user_id, stream_id, previous, changed, deleted)


class SigningKeyUpdateReceived:
    """Takes in m.signing_key_update."""

    def __init__(self, lists: RemoteDeviceLists) -> None:
        self._lists = lists

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """See :class:`federation.edus.receiver.EduHandler`."""
        user_id = user_of(origin, content.get("user_id"))
        keys = parse_cross_signing(
            user_id, content.get("master_key"), content.get("self_signing_key")
        )
        await self._lists.cross_signing_changed(user_id, keys)


def _previous(value: Any) -> list[int]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST_PREVIOUS:
        raise BadJson("`prev_id` must be an array of integers")
    return [parse_stream_id(each) for each in value]
