"""Messages from devices of other servers' users.

Server-server API, "Send-to-device messaging".
"""

from __future__ import annotations

from typing import Any, Final

from federation.edus.receiver import text_of, user_of
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, TooLarge
from homeserver.domain.identifiers import ServerName, UserId, parse_user_id, server_name_of
from homeserver.services.encryption.to_device import ToDevice

MOST_MESSAGES: Final = 10_000
"""For how many devices an EDU may have messages."""


class ToDeviceReceived:
    """Takes in m.direct_to_device; what arrives again is delivered once."""

    def __init__(self, own_name: ServerName, to_device: ToDevice) -> None:
        self._own_name = own_name
        self._to_device = to_device

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """See :class:`federation.edus.receiver.EduHandler`."""
        sender = user_of(origin, content.get("sender"))
        type, message_id = text_of(content, "type"), text_of(content, "message_id")
        messages = content.get("messages")
        if not isinstance(messages, dict):
            raise BadJson("`messages` must be an object")
        ours: dict[UserId, dict[str, JsonObject]] = {}
        count = 0
        for user, by_device in messages.items():
            user_id = parse_user_id(user)
            if server_name_of(user_id) != self._own_name:
                continue
            ours[user_id] = _checked(by_device)
            count += len(ours[user_id])
        if count > MOST_MESSAGES:
            raise TooLarge(f"An EDU has messages for at most {MOST_MESSAGES} devices")
        await self._to_device.receive(sender, type, message_id, ours)


def _checked(by_device: Any) -> dict[str, JsonObject]:
    if not isinstance(by_device, dict):
        raise BadJson("The messages of a user must be an object")
    if not all(isinstance(message, dict) for message in by_device.values()):
        raise BadJson("A message must be an object")
    return by_device
