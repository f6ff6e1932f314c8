"""The keys of other servers, as they are remembered.

Server-server API, "Retrieving server keys".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import ServerName


@attrs.frozen(slots=True)
class ServerKeyRow:
    """A verification key of a server.

    ``verify_key`` is in unpadded Base64. The key is good for what was signed until
    ``valid_until_ms``. ``from_origin`` tells that the server itself said so, not a notary.
    ``response_hash`` names the :class:`KeyResponseRow` that the key was in.
    """

    server: ServerName
    key_id: str
    verify_key: str
    valid_until_ms: int
    from_origin: bool
    response_hash: str


@attrs.frozen(slots=True)
class KeyResponseRow:
    """What a server published: the JSON of its keys, signed by itself, as it is passed on.

    ``response_hash`` is a hash of ``response``. ``fetched_ms`` is when it arrived,
    ``valid_until_ms`` until when its ``verify_keys`` are good.
    """

    server: ServerName
    response_hash: str
    fetched_ms: int
    valid_until_ms: int
    response: bytes


class ServerKeyStore(Protocol):
    """What is known of the keys of other servers."""

    async def keys_of(self, servers: Collection[ServerName]) -> list[ServerKeyRow]:
        """Every known key of some servers."""
        ...

    async def responses_of(self, servers: Collection[ServerName]) -> list[KeyResponseRow]:
        """The responses that the known keys of some servers were in."""
        ...

    async def save(
        self, responses: Sequence[KeyResponseRow], keys: Sequence[ServerKeyRow], most_keys: int
    ) -> None:
        """Add or replace keys, and the responses they were in.

        Of each server that has more than ``most_keys``, those are forgotten that have been invalid
        for the longest, and responses that no key was in.
        """
        ...
