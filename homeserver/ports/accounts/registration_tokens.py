"""What the floors above ask of storage about registration tokens."""

from __future__ import annotations

from typing import Protocol

import attrs


@attrs.frozen(slots=True)
class RegistrationToken:
    """A token that lets people register; None means no limit of uses or of time."""

    token: str
    uses_allowed: int | None
    expires_ts: int | None


class RegistrationTokenStore(Protocol):
    """Registration tokens and the uses of them that are set aside.

    A use is set aside for a user-interactive session, and spent by the registration that the
    session authorises (:meth:`homeserver.ports.accounts.accounts.AccountStore.register`).
    """

    async def add(self, token: RegistrationToken, created_ts: int) -> bool:
        """Store a token; False when it exists already."""
        ...

    async def is_valid(self, token: str, now_ms: int) -> bool:
        """Whether a use of the token is left, not spent and not set aside, at this time."""
        ...

    async def reserve(self, token: str, session_id: str, expires_ts: int, now_ms: int) -> bool:
        """Set a use aside until ``expires_ts``; False when none is left.

        A session has one reservation: a second takes the place of the first.
        """
        ...
