"""The rule for `m.room.redaction` of room versions 1 and 2.

Specification: room version 1, "Authorisation rules", rule 11.
"""

from __future__ import annotations

from homeserver.domain.auth_rules.authorising_state import AuthorisingState
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event
from homeserver.domain.identifiers import server_name_of


def check_redaction(event: Event, room: AuthorisingState) -> None:
    """Check that the sender may redact events of others, or redacts one of the own server.

    Which server an event is of is told by its ID in these versions. Raises Forbidden.
    """
    if room.user_level(event.sender) >= room.power_levels.redact:
        return
    _, _, redacted_domain = (event.redacts or "").partition(":")
    if redacted_domain != server_name_of(event.event_id):
        raise Forbidden(f"{event.sender} may not redact events of other servers in this room")
