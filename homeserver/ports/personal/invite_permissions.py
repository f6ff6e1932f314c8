"""What inviting asks of the invited."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from homeserver.domain.identifiers import UserId


class InvitePermissions(Protocol):
    """Who accepts invites. Client-server API, "Invite permission"."""

    async def blocking(self, user_ids: Collection[UserId]) -> Collection[UserId]:
        """Those of some users of this server who want no invites."""
        ...


class EveryoneMayInvite:
    """For where nobody can block invites."""

    async def blocking(self, user_ids: Collection[UserId]) -> Collection[UserId]:
        """See :class:`InvitePermissions`."""
        return ()
