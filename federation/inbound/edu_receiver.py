"""Where the ephemeral parts of transactions go."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName


class EduReceiver(Protocol):
    """Takes in EDUs. Server-server API, "EDUs"."""

    async def receive(self, origin: ServerName, edu_type: str, content: JsonObject) -> None:
        """Take in an EDU of a server, or ignore one that is malformed, of an unknown type, or that
        the server may not send.

        What it raises is logged, and the other parts of the transaction are taken in all the same.
        """
        ...
