"""Typing of users of other servers.

Server-server API, "Typing Notifications".
"""

from __future__ import annotations

from typing import Final

from federation.edus.receiver import text_of, user_of
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson
from homeserver.domain.identifiers import ServerName, parse_room_id
from homeserver.services.messages.typing import Typing

TIMEOUT_MS: Final = 60_000
"""After how long a user is taken to have stopped whose server does not say so."""


class TypingReceived:
    """Takes in m.typing; who is not in the room does not type there."""

    def __init__(self, typing: Typing) -> None:
        self._typing = typing

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """See :class:`federation.edus.receiver.EduHandler`."""
        user_id = user_of(origin, content.get("user_id"))
        room_id = parse_room_id(text_of(content, "room_id"))
        is_typing = content.get("typing")
        if not isinstance(is_typing, bool):
            raise BadJson("`typing` must be a boolean")
        if is_typing:
            await self._typing.start(user_id, room_id, TIMEOUT_MS)
        else:
            await self._typing.stop(user_id, room_id)
