"""What sending messages to devices asks of other servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import UserId

Messages = Mapping[UserId, Mapping[str, JsonObject]]
"""The content for each device of each user, or for every device of a user under ``*``."""


class RemoteMail(Protocol):
    """The way of messages to devices of other servers' users."""

    async def send(self, sender: UserId, type: str, request_id: str, messages: Messages) -> None:
        """Keep messages until the recipients' servers have them; recipients of this server are
        passed over.

        ``request_id`` names the request, which may be repeated: its messages arrive once.
        """
        ...


class NoRemoteMail:
    """There are no other servers."""

    async def send(self, sender: UserId, type: str, request_id: str, messages: Messages) -> None:
        """See :class:`RemoteMail`."""
