"""What users keep about their rooms: which are direct messages, and their tags."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import msgspec

from homeserver.domain.identifiers import RoomId
from homeserver.ports.personal.account_data import AccountDataRow, AccountDataStore
from homeserver.sync.session import Session

DIRECT = "m.direct"
TAG = "m.tag"

# How many former values of m.direct are remembered, to tell what changed.
FORMER = 8

_NO_TAGS: frozenset[str] = frozenset()


class PersonalTraits:
    """What one user keeps, as of a position of the user's shard."""

    def __init__(self) -> None:
        self.position = -1
        self.version = 0
        """Rises whenever something changes."""
        self.direct: frozenset[RoomId] = frozenset()
        self._tags: dict[RoomId, frozenset[str]] = {}
        self._direct_position = 0
        self._former: list[tuple[int, frozenset[RoomId]]] = []

    def tags(self, room_id: RoomId) -> frozenset[str]:
        """The tags of a room."""
        return self._tags.get(room_id, _NO_TAGS)

    def direct_changes(self, position: int) -> frozenset[RoomId] | None:
        """The rooms that have become direct or ceased to be so after a position; None when that is
        not known."""
        if self._direct_position <= position:
            return frozenset()
        for since, direct in reversed(self._former):
            if since <= position:
                return self.direct ^ direct
        return None

    def take_in(self, rows: list[AccountDataRow]) -> None:
        """Regard what has changed, oldest first."""
        is_first = self.position < 0
        for row in rows:
            self.position = max(self.position, row.position)
            if row.type == DIRECT and row.room_id is None:
                if not is_first:
                    self._former = [*self._former, (self._direct_position, self.direct)][-FORMER:]
                self.direct = _direct(row.content)
                self._direct_position = row.position
                self.version += 1
            elif row.type == TAG and row.room_id is not None:
                self._tags[row.room_id] = _tags(row.content)
                self.version += 1


class PersonalTraitsReader:
    """Reads what users keep, and reads again what has changed."""

    def __init__(self, store: AccountDataStore) -> None:
        self._store = store
        self._sessions: WeakKeyDictionary[Session, PersonalTraits] = WeakKeyDictionary()

    async def of(self, session: Session) -> PersonalTraits:
        """What a user keeps; read when something has changed since."""
        traits = self._sessions.setdefault(session, PersonalTraits())
        while traits.position < session.account_data_position:
            before, until = traits.position, session.account_data_position
            rows = await self._store.since(session.user_id, max(before, 0))
            # Another request may have been faster.
            if traits.position == before:
                traits.take_in(rows)
                traits.position = max(traits.position, until)
        return traits


def _direct(content: bytes) -> frozenset[RoomId]:
    rooms = _object(content).values()
    return frozenset(
        RoomId(room)
        for of_user in rooms
        if isinstance(of_user, list)
        for room in of_user
        if isinstance(room, str)
    )


def _tags(content: bytes) -> frozenset[str]:
    tags = _object(content).get("tags")
    return frozenset(tags) if isinstance(tags, dict) else _NO_TAGS


def _object(content: bytes) -> dict[str, object]:
    value = msgspec.json.decode(content)
    return value if isinstance(value, dict) else {}
