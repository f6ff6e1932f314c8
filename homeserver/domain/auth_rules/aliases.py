"""The rule for `m.room.aliases` of room versions 1 to 5.

Specification: room version 1, "Authorisation rules", rule 4.
"""

from __future__ import annotations

from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event
from homeserver.domain.identifiers import server_name_of


def check_aliases(event: Event) -> None:
    """Check that a server lists its own aliases. The sender need not be joined.

    Raises Forbidden.
    """
    if event.state_key is None:
        raise Forbidden("m.room.aliases must be a state event")
    if event.state_key != server_name_of(event.sender):
        raise Forbidden(f"Only users of {event.state_key} may list its aliases")
