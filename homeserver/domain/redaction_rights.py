"""Whether a redaction that is part of a room takes the content of the event it names.

Specification: room version 3, "Handling redactions". In versions 1 and 2 the authorisation rules
have decided that already, so that the same question has the same answer.
"""

from __future__ import annotations

from homeserver.domain.events import Event
from homeserver.domain.identifiers import server_name_of
from homeserver.domain.power_levels import PowerLevels


def may_redact(redaction: Event, target: Event, power_levels: PowerLevels) -> bool:
    """Whether the sender of a redaction has the power for it, or is of the server of the target's
    sender. The event that made the room cannot be redacted by those who share it."""
    if redaction.type != "m.room.redaction" or target.type == "m.room.create":
        return False
    if power_levels.user_level(redaction.sender) >= power_levels.redact:
        return True
    return server_name_of(redaction.sender) == server_name_of(target.sender)
