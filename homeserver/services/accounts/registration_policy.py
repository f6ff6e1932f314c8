"""Who may register, and how they prove it."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import attrs

from homeserver.domain.errors import Forbidden
from homeserver.services.accounts.uia_stages import DUMMY, REGISTRATION_TOKEN
from homeserver.services.accounts.user_interactive_auth import Flow


@attrs.frozen(slots=True)
class RegistrationPolicy:
    """Whether people and guests may register here.

    ``requires_token`` lets in only those who have a registration token, ``loopback_only`` only
    clients on the server's own machine.
    """

    is_open: bool = False
    requires_token: bool = False
    loopback_only: bool = False
    allows_guests: bool = False

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows of user-interactive authentication that a registration completes."""
        return ((REGISTRATION_TOKEN,),) if self.requires_token else ((DUMMY,),)

    def require_open(self, address: str) -> None:
        """Raises Forbidden for a client at an address that may not register users."""
        if not self.is_open:
            raise Forbidden("Registration is disabled")
        self._require_near(address)

    def require_guests_allowed(self, address: str) -> None:
        """Raises Forbidden for a client at an address that may not register guests."""
        if not self.allows_guests:
            raise Forbidden("Guest access is disabled")
        self._require_near(address)

    def _require_near(self, address: str) -> None:
        if self.loopback_only and not _is_loopback(address):
            raise Forbidden("Registration is open on the server's own machine only")


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback
