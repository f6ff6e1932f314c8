"""What of a sync does not belong to the events of rooms: account data and presence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

import attrs

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.log.tokens import SyncToken
from homeserver.ports.personal.account_data import AccountDataRow, AccountDataStore
from homeserver.rooms.presentation import encode
from homeserver.sync.rounds import Round
from homeserver.sync.session import Session
from homeserver.sync.sessions import Sessions

PUSH_RULES = "m.push_rules"
_NOTHING = b"{}"


@attrs.frozen(slots=True)
class Defaults:
    """What a sync needs of the floors beside it."""

    push_rules_event: Callable[[UserId], bytes]
    """The content of m.push_rules for a user who never changed a rule."""
    presence_event: Callable[[UserId], bytes | None]
    """The current m.presence event of a user, if they are known to be anything."""


class PersonalData:
    """Tells users of their account data, and of the presence of others."""

    def __init__(self, store: AccountDataStore, sessions: Sessions, defaults: Defaults) -> None:
        self._store = store
        self._sessions = sessions
        self._defaults = defaults

    async def changes(self, now: Round) -> list[AccountDataRow]:
        """The account data that changed since the token, global and of rooms."""
        return await self.changed_after(now.session, now.since)

    async def changed_after(
        self, session: Session, since: SyncToken | None
    ) -> list[AccountDataRow]:
        """The account data of a user that changed after a token (None: all of it), global and of
        rooms."""
        position = since.positions[session.shard] if since is not None else 0
        if since is not None and session.account_data_position <= position:
            return []
        return await self._store.since(session.user_id, position)

    async def of_rooms(
        self, user_id: UserId, room_ids: Collection[RoomId]
    ) -> dict[RoomId, list[AccountDataRow]]:
        """All account data of some rooms, by room."""
        found: dict[RoomId, list[AccountDataRow]] = defaultdict(list)
        for row in await self._store.since(user_id, 0):
            if row.room_id is not None and row.room_id in room_ids:
                found[row.room_id].append(row)
        return found

    def account_data(self, now: Round, rows: Iterable[AccountDataRow]) -> list[bytes]:
        """The global account data of an answer; from scratch without what was removed."""
        wanted = now.request.filter.account_data
        initial = now.since is None
        shown = [row for row in rows if row.room_id is None and wanted.matches(row.type, None)]
        events = data_events(shown, initial=initial)
        if (
            initial
            and wanted.matches(PUSH_RULES, None)
            and not any(row.type == PUSH_RULES for row in shown)
        ):
            events.append(self.default_push_rules(now.session.user_id))
        return events

    def default_push_rules(self, user_id: UserId) -> bytes:
        """The event m.push_rules of a user who never changed a rule."""
        content = self._defaults.push_rules_event(user_id)
        return b'{"content":%s,"type":"m.push_rules"}' % content

    def presence(self, now: Round) -> list[bytes]:
        """The presence of those whom the user sees: who changed since the token, or everyone."""
        wanted = now.request.filter.presence
        session = now.session
        if wanted.is_pass_none:
            return []
        users: Iterable[UserId]
        if now.since is None:
            users = {s.user_id for nid in session.rooms for s in self._sharers(session, nid)}
        elif session.has_presence_after(now.since):
            users = [
                user_id
                for user_id, entry in session.presence.items()
                if entry.position > now.since.positions[entry.shard]
            ]
        else:
            return []
        found = []
        for user_id in users:
            if user_id not in session.ignored and wanted.matches("m.presence", user_id):
                event = self._defaults.presence_event(user_id)
                if event is not None:
                    found.append(event)
        return found

    def _sharers(self, session: Session, nid: int) -> Iterable[Session]:
        if session.rooms[nid].membership != "join":
            return ()
        return self._sessions.who_look_at(nid)


def data_events(rows: Iterable[AccountDataRow], *, initial: bool) -> list[bytes]:
    """Account data as events. What was removed is told once, as empty content."""
    return [
        b'{"content":%s,"type":%s}' % (row.content, encode(row.type))
        for row in rows
        if not (initial and row.content == _NOTHING)
    ]
