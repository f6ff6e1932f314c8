"""What the floors above ask of storage about user-interactive authentication."""

from __future__ import annotations

from typing import Protocol


class UiaSessionStore(Protocol):
    """Stages that were completed while others are still to come."""

    async def completed(self, session_id: str, now_ms: int) -> dict[str, str]:
        """What each completed stage proved, in the order of completion."""
        ...

    async def save(
        self, session_id: str, completed: dict[str, str], expires_ts: int, now_ms: int
    ) -> None:
        """Remember the completed stages, and forget the sessions that expired by ``now_ms``."""
        ...

    async def forget(self, session_id: str) -> None:
        """The session has done its work."""
        ...
