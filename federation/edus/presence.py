"""Presence of users of other servers.

Server-server API, "Presence".
"""

from __future__ import annotations

from typing import Any, Final

import structlog

from federation.edus.receiver import text_of, user_of
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, MatrixError, TooLarge
from homeserver.domain.identifiers import ServerName
from homeserver.domain.presence import PresenceState
from homeserver.ports.encryption.device_lists import DeviceListStore
from homeserver.services.personal.presence import Presence, RemotePresence

MOST_USERS: Final = 1_000
"""The presence of how many users an EDU may have."""

MAX_STATUS: Final = 1_024
"""How many characters of a status message are kept."""

log = structlog.get_logger(__name__)


class PresenceReceived:
    """Takes in m.presence of users whom somebody here shares a room with."""

    def __init__(self, presence: Presence, memberships: DeviceListStore) -> None:
        self._presence = presence
        self._memberships = memberships

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """See :class:`federation.edus.receiver.EduHandler`."""
        push = content.get("push")
        if not isinstance(push, list):
            raise BadJson("`push` must be an array")
        if len(push) > MOST_USERS:
            raise TooLarge(f"An EDU has the presence of at most {MOST_USERS} users")
        for update in push:
            try:
                await self._take_in(origin, update)
            except MatrixError as error:
                if error.status >= 500:
                    raise
                log.info("presence_ignored", origin=origin, why=str(error))

    async def _take_in(self, origin: ServerName, update: Any) -> None:
        if not isinstance(update, dict):
            raise BadJson("An update of presence must be an object")
        user_id = user_of(origin, update.get("user_id"))
        try:
            state = PresenceState(text_of(update, "presence"))
        except ValueError as error:
            raise BadJson("`presence` is none of the known states") from error
        ago = update.get("last_active_ago")
        status = update.get("status_msg")
        rooms = await self._memberships.joined_rooms(user_id)
        if rooms:
            told = RemotePresence(
                state,
                status[:MAX_STATUS] if isinstance(status, str) else None,
                ago if type(ago) is int and ago > 0 else 0,
            )
            self._presence.note_remote(user_id, told, tuple(rooms))
