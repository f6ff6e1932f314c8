"""What the rooms ask about guests."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from homeserver.domain.identifiers import UserId


class GuestStore(Protocol):
    """The guest accounts of this server."""

    async def guests_among(self, user_ids: Collection[UserId]) -> list[UserId]:
        """Those of some users who are guests."""
        ...
