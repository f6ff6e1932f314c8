"""What reading profiles asks of the federation: those of users of other servers."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import NotFound
from homeserver.domain.identifiers import UserId


class RemoteProfiles(Protocol):
    """The profiles of users of other servers."""

    def concerns(self, user_id: UserId) -> bool:
        """Whether another server is to be asked about a user."""
        ...

    async def fields(self, user_id: UserId) -> JsonObject:
        """All fields of the profile of another server's user; not to be changed.

        Raises NotFound, Forbidden, and UnableToRetrieve when the server does not answer.
        """
        ...


class NoRemoteProfiles:
    """A server that asks nobody."""

    def concerns(self, user_id: UserId) -> bool:
        """See :class:`RemoteProfiles`."""
        return False

    async def fields(self, user_id: UserId) -> JsonObject:
        """See :class:`RemoteProfiles`."""
        raise NotFound("There is no such user")
