"""The authorisation rules of all room versions: may this event be part of the room?

Specification: room versions, "Authorisation rules". An event is checked against the state that its
``auth_events`` make, against the state before it and against the current state of the room, each
time by `check_event_auth`; its ``auth_events`` as such are checked by
`check_auth_events_selection`.
"""

from homeserver.domain.auth_rules.event import check_event_auth
from homeserver.domain.auth_rules.selection import check_auth_events_selection

__all__ = ["check_auth_events_selection", "check_event_auth"]
