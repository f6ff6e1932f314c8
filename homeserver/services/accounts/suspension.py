"""What suspended users may not do. Client-server API, "Account suspension"."""

from __future__ import annotations

from homeserver.domain.errors import UserSuspended
from homeserver.domain.requester import Requester


def require_not_suspended(requester: Requester) -> None:
    """Raises UserSuspended for a user who may look and leave, and nothing more."""
    if requester.is_suspended:
        raise UserSuspended("You cannot perform this action while suspended")
