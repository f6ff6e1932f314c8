"""What the floors above ask of storage about filters."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.identifiers import UserId


class FilterStore(Protocol):
    """Filters that clients have uploaded."""

    async def definition(self, user_id: UserId, filter_id: str) -> bytes | None:
        """A filter as it was uploaded, a JSON object."""
        ...

    async def put(self, user_id: UserId, filter_id: str, definition: bytes) -> None:
        """Store a filter; nothing happens when the user has it already."""
        ...
