"""Keys of room sessions in a backup, and which of two keys of a session is kept.

Client-server API, "Server-side key backups".
"""

from __future__ import annotations

import attrs

from homeserver.domain.identifiers import RoomId


@attrs.frozen(slots=True)
class BackedUpKey:
    """The encrypted key of a session; ``session_data`` is a JSON object for clients alone."""

    room_id: RoomId
    session_id: str
    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: bytes

    def replaces(self, stored: KeyRank) -> bool:
        """Whether the key is kept instead of a stored one of the same session."""
        return self.rank < stored

    @property
    def rank(self) -> KeyRank:
        """What decides between keys of a session; the lesser rank is kept."""
        return (not self.is_verified, self.first_message_index, self.forwarded_count)


KeyRank = tuple[bool, int, int]
"""Not verified, first message index, forwarded count."""
