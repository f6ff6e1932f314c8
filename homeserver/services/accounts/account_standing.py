"""Whether an account may be used at all.

Client-server API, "Account locking". Suspension restricts actions, not access: whoever carries out
an action asks for it (`Requester.is_suspended`).
"""

from __future__ import annotations

from homeserver.domain.errors import UserDeactivated, UserLocked
from homeserver.ports.accounts.accounts import Account


def require_usable(account: Account) -> None:
    """Raises UserDeactivated, or UserLocked with ``soft_logout``, for an account that is not."""
    if account.is_deactivated:
        raise UserDeactivated()
    if account.is_locked:
        raise UserLocked(soft_logout=True)
