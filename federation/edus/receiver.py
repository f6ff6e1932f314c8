"""Handing EDUs to who takes in their kind.

Server-server API, "EDUs".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, MatrixError
from homeserver.domain.identifiers import ServerName, UserId, parse_user_id, server_name_of

log = structlog.get_logger(__name__)


class EduHandler(Protocol):
    """Takes in EDUs of one type."""

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """Take in the content of an EDU. Raises MatrixError when it is malformed, or not for the
        origin to send."""
        ...


class Edus:
    """See :class:`federation.inbound.edu_receiver.EduReceiver`."""

    def __init__(self, handlers: Mapping[str, EduHandler]) -> None:
        self._handlers = handlers

    async def receive(self, origin: ServerName, edu_type: str, content: JsonObject) -> None:
        """See :class:`federation.inbound.edu_receiver.EduReceiver`."""
        handler = self._handlers.get(edu_type)
        if handler is None:
            return
        try:
            await handler.receive(origin, content)
        except MatrixError as error:
            if error.status >= 500:
                raise
            log.info("edu_ignored", origin=origin, type=edu_type, why=str(error))


def user_of(origin: ServerName, user_id: object) -> UserId:
    """A user of the server that speaks of them. Raises BadJson and InvalidParam."""
    if not isinstance(user_id, str):
        raise BadJson("The user ID must be a string")
    parsed = parse_user_id(user_id)
    if server_name_of(parsed) != origin:
        raise BadJson("A server speaks for its own users alone")
    return parsed


def text_of(content: JsonObject, name: str) -> str:
    """A member that must be a string. Raises BadJson."""
    value = content.get(name)
    if not isinstance(value, str):
        raise BadJson(f"`{name}` must be a string")
    return value
