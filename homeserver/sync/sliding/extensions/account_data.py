"""The extension ``account_data``: what users keep, globally and for rooms. MSC3959."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from homeserver.domain.identifiers import DeviceId, RoomId
from homeserver.log.tokens import SyncToken
from homeserver.ports.personal.account_data import AccountDataRow
from homeserver.rooms.presentation import encode
from homeserver.sync.personal_data import PUSH_RULES, PersonalData, data_events
from homeserver.sync.session import Session
from homeserver.sync.sliding.extensions.scope import Scope, ScopeMemory
from homeserver.sync.sliding.requests import ExtensionConfig
from homeserver.sync.sliding.rounds import SlidingRound


class AccountDataExtension:
    """Tells users of their account data: all of it when a connection begins or a room is told from
    scratch, and later what changed."""

    name: Final = "account_data"

    def __init__(self, personal: PersonalData) -> None:
        self._personal = personal
        self._memory = ScopeMemory()

    def has_news(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> bool:
        """Whether account data changed."""
        return session.account_data_position > since.positions[session.shard]

    async def part(self, now: SlidingRound, config: ExtensionConfig) -> bytes | None:
        """``global`` and ``rooms``."""
        session, since = now.session, now.since
        rows = await self._personal.changed_after(session, since)
        events = data_events((r for r in rows if r.room_id is None), initial=since is None)
        if since is None and not any(r.room_id is None and r.type == PUSH_RULES for r in rows):
            events.append(self._personal.default_push_rules(session.user_id))
        rooms = await self._rooms(session, self._memory.look(now, config), rows)
        parts = []
        if events:
            parts.append(b'"global":[%s]' % b",".join(events))
        if rooms:
            parts.append(b'"rooms":{%s}' % b",".join(rooms))
        return b"{%s}" % b",".join(parts) if parts else None

    async def _rooms(
        self, session: Session, scope: Scope, changed: list[AccountDataRow]
    ) -> list[bytes]:
        """The account data of rooms, by room, as members of a JSON object.

        What changes is told of every room that the client is aware of, in scope or not, unless it
        restricts the extension: it is little, and no room is behind with it that way.
        """
        whole = {
            session.rooms[nid].room_id
            for nid, since in scope.news.items()
            if since is None and nid in session.rooms
        }
        rows: dict[RoomId, list[AccountDataRow]] = defaultdict(list)
        for row in changed:
            if row.room_id is not None and row.room_id not in whole:
                rows[row.room_id].append(row)
        nids = {session.rooms[nid].room_id for nid in scope.known} if rows else set()
        rows = {room_id: rows[room_id] for room_id in rows.keys() & nids}
        if whole:
            rows |= await self._personal.of_rooms(session.user_id, whole)
        found = []
        for room_id, shown in rows.items():
            events = data_events(shown, initial=room_id in whole)
            if events:
                found.append(b"%s:[%s]" % (encode(room_id), b",".join(events)))
        return found

    def standing(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        until: SyncToken,
    ) -> bytes | None:
        """Nothing."""
        return None

    def acknowledge(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> None:
        """Nothing is kept."""
