"""Unread counts as they are told with each room."""

from __future__ import annotations

from collections.abc import Sequence

from homeserver.domain.push_rules import UserPushRules, counting_classes
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.rooms.presentation import encode
from homeserver.rooms.push_rules_index import PushRulesIndex
from homeserver.rooms.unread import NONE, CountingReader, UnreadCounter, UnreadCounts
from homeserver.rooms.view import RoomView
from homeserver.sync.session import Session

_PREDEFINED = UserPushRules()


class UnreadSection:
    """Tells a user's unread counts."""

    def __init__(self, counter: UnreadCounter, push_rules: PushRulesIndex) -> None:
        self._counter = counter
        self._push_rules = push_rules

    async def load_rules(self, session: Session) -> None:
        """Bring the user's push rules into memory."""
        if self._push_rules.rules_of(session.user_id) is None:
            await self._push_rules.fetch([session.user_id])

    async def prepare(
        self, session: Session, rooms: Sequence[tuple[RoomView, UserRoom]], *, threads: bool
    ) -> None:
        """Bring what the counts of many rooms take into memory, in a fixed number of queries."""
        reader = self._reader(session)
        missing = [
            (view, room)
            for view, room in rooms
            if self._counter.ready(view, reader, room, threads=threads) is None
        ]
        if missing:
            await self._counter.read(missing, reader, threads=threads)

    async def part(
        self, session: Session, view: RoomView, room: UserRoom, *, threads: bool
    ) -> bytes:
        """The counts of a room, as members of its JSON object."""
        return unread_json(await self.counts(session, view, room, threads=threads), threads=threads)

    async def counts(
        self, session: Session, view: RoomView, room: UserRoom, *, threads: bool
    ) -> UnreadCounts:
        """The counts of a room."""
        reader = self._reader(session)
        counts = self._counter.ready(view, reader, room, threads=threads)
        while counts is None:
            await self._counter.read([(view, room)], reader, threads=threads)
            counts = self._counter.ready(view, reader, room, threads=threads)
        return counts

    def _reader(self, session: Session) -> CountingReader:
        rules = self._push_rules.rules_of(session.user_id) or _PREDEFINED
        return CountingReader(session.user_id, session.ignored, counting_classes(rules).in_room)


def unread_json(counts: UnreadCounts, *, threads: bool) -> bytes:
    """``unread_notifications`` and, when asked for, ``unread_thread_notifications``.

    Without threads everything counts to the room.
    """
    main = counts.main
    by_thread = counts.threads or {}
    if not threads:
        main = sum(by_thread.values(), start=main)
    part = b'"unread_notifications":{"highlight_count":%d,"notification_count":%d}' % (
        main.highlight,
        main.notify,
    )
    if threads and by_thread:
        part += b',"unread_thread_notifications":' + encode(
            {
                root: {"notification_count": c.notify, "highlight_count": c.highlight}
                for root, c in by_thread.items()
                if c != NONE
            }
        )
    return part
