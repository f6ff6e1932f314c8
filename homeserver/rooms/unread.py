"""Unread counts: differences of the room's ordinals, minus what does not count for the reader.

A room counts its notifying events; where a user has read to maps to an ordinal. So nothing is
written or evaluated per member when a message comes, and counting costs the same however far behind
the reader is. What differs by reader (own events, mentions, individual rules, threads) is read once
when the user first asks and then followed along the room's newest events.

Client-server API, "Receipts", "Threading" (unread counts), "Push Notifications".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.domain.push_rules import CountingClass
from homeserver.ports.rooms import UserRoom
from homeserver.ports.unread import Tally, UnreadStore
from homeserver.rooms.view import RoomView


@attrs.frozen(slots=True)
class Counts:
    """What a user has not read: notifications, and of these how many are highlighted."""

    notify: int
    highlight: int


@attrs.frozen(slots=True)
class UnreadCounts:
    """Of a room: ``main`` is the whole room when ``threads`` is None, else its main timeline."""

    main: Counts
    threads: dict[EventId, Counts] | None = None


@attrs.define(slots=True)
class _Following:
    """What is known of one user in one room, up to and with a position."""

    until: int
    read_position: int
    ordinal: int
    room_highlight_ordinal: int
    tally: Tally
    threads: dict[EventId | None, Counts] | None = None


@attrs.frozen(slots=True)
class CountingReader:
    """For whom is counted: whose events do not count, and by which class of rules."""

    user_id: UserId
    ignored: frozenset[UserId]
    counting: Callable[[RoomId], CountingClass]

    def is_individual(self, room: RoomView) -> bool:
        """Whether the reader's rules are evaluated for every event of a room."""
        return self.counting(room.room_id) is CountingClass.INDIVIDUAL


class UnreadCounter:
    """Counts for readers; remembers what it read for the rooms and users that were asked for."""

    def __init__(self, store: UnreadStore, capacity: int = 50_000) -> None:
        self._store = store
        self._capacity = capacity
        self._following: dict[tuple[int, UserId], _Following] = {}

    def ready(
        self,
        room: RoomView,
        reader: CountingReader,
        user_room: UserRoom,
        *,
        threads: bool,
    ) -> UnreadCounts | None:
        """The counts, if memory has all that it takes; else ``read`` must be awaited first."""
        threads = threads or reader.user_id in room.threaded_readers
        following = self._current(room, reader, user_room)
        if following is None or (threads and following.threads is None):
            return None
        counting = reader.counting(room.room_id)
        if counting is CountingClass.NOTHING:
            return UnreadCounts(Counts(0, 0), {} if threads else None)
        if threads:
            assert following.threads is not None
            return _of_threads(following.threads, counting)
        return UnreadCounts(_of_room(room, following, counting))

    async def read(
        self,
        rooms: Sequence[tuple[RoomView, UserRoom]],
        reader: CountingReader,
        *,
        threads: bool,
    ) -> None:
        """Read what the counts of many rooms take, in a fixed number of queries.

        Threads are read room by room, and only of rooms that have any unread event.
        """
        fresh = {
            room.nid: (room, user_room)
            for room, user_room in rooms
            if self._current(room, reader, user_room) is None
        }
        if fresh:
            before = {nid: room.position for nid, (room, _) in fresh.items()}
            excluded = [reader.user_id, *reader.ignored]
            tallies = {
                t.room_nid: t
                for t in await self._store.tallies(reader.user_id, excluded, list(fresh))
            }
            for nid, (room, user_room) in fresh.items():
                if room.position != before[nid]:
                    continue  # something came meanwhile: whoever asks reads it again
                self._begin(room, reader, user_room, tallies.get(nid) or Tally(nid))
        for room, user_room in rooms:
            if threads or reader.user_id in room.threaded_readers:
                await self._read_threads(room, reader, user_room)

    async def _read_threads(
        self, room: RoomView, reader: CountingReader, user_room: UserRoom
    ) -> None:
        following = self._current(room, reader, user_room)
        if following is None or following.threads is not None:
            return
        if room.ordinal == following.ordinal and not following.tally.notify:
            following.threads = {}
            return
        found = await self._store.threads(
            reader.user_id,
            [reader.user_id, *reader.ignored],
            room.nid,
            reader.is_individual(room),
        )
        if following.until == room.position:
            following.threads = {t.thread_root: Counts(t.notify, t.highlight) for t in found}

    def forget(self, user_ids: Iterable[UserId]) -> None:
        """Forget what is known of users whose rules or ignored users changed."""
        users = set(user_ids)
        for key in [key for key in self._following if key[1] in users]:
            del self._following[key]

    def _begin(
        self, room: RoomView, reader: CountingReader, user_room: UserRoom, tally: Tally
    ) -> None:
        position, ordinal, highlights = _read_to(room, reader.user_id, user_room)
        if len(self._following) >= self._capacity:
            self._following.pop(next(iter(self._following)))
        self._following[room.nid, reader.user_id] = _Following(
            room.position, position, ordinal, highlights, tally
        )

    def _current(
        self, room: RoomView, reader: CountingReader, user_room: UserRoom
    ) -> _Following | None:
        key = (room.nid, reader.user_id)
        following = self._following.get(key)
        if following is None:
            return None
        if following.until == room.position:
            return following
        position, ordinal, highlights = _read_to(room, reader.user_id, user_room)
        newest = room.tail[-1].position if room.tail else 0
        if position >= newest and reader.user_id not in room.threaded_readers:
            # Everything has been read: there is nothing to exclude and nothing to add.
            following = _Following(room.position, position, ordinal, highlights, Tally(room.nid))
            self._following[key] = following
            return following
        if position != following.read_position or reader.user_id in room.threaded_readers:
            del self._following[key]
            return None
        if not _follow(following, room, reader):
            del self._following[key]
            return None
        return following


def _read_to(room: RoomView, user_id: UserId, user_room: UserRoom) -> tuple[int, int, int]:
    """(position, ordinal, highlight ordinal) up to which a user has read a room."""
    receipt = room.read_receipt(user_id)
    if receipt is None or receipt.read_position < user_room.joined_position:
        return (
            user_room.joined_position,
            user_room.ordinal,
            user_room.room_highlight_ordinal,
        )
    return (
        receipt.read_position,
        receipt.read_ordinal,
        receipt.read_room_highlight_ordinal,
    )


def _follow(following: _Following, room: RoomView, reader: CountingReader) -> bool:
    """Take in the events that came since; False when memory does not reach back to them."""
    news = room.after((following.until, 0))
    if news is None:
        return False
    tally = following.tally
    excluded, excluded_highlights = tally.excluded, tally.excluded_highlights
    notify, highlight = tally.notify, tally.highlight
    individual = reader.is_individual(room)
    for stored in news:
        sender = stored.event.sender
        counts = [0, 0]
        if stored.notifies:
            if sender == reader.user_id or sender in reader.ignored:
                excluded += 1
                excluded_highlights += stored.room_highlight
            elif not individual:
                counts = [1, int(stored.room_highlight)]
        for row in room.notifications.get(stored.nid, ()):
            if row.user_id == reader.user_id:
                notify += row.notify
                highlight += row.highlight
                counts[0] += row.notify
                counts[1] += row.highlight
        if following.threads is not None and counts != [0, 0]:
            known = following.threads.get(stored.thread_root, Counts(0, 0))
            following.threads[stored.thread_root] = Counts(
                known.notify + counts[0], known.highlight + counts[1]
            )
    following.until = room.position
    following.tally = Tally(room.nid, excluded, excluded_highlights, notify, highlight)
    return True


def _of_room(room: RoomView, following: _Following, counting: CountingClass) -> Counts:
    tally = following.tally
    if counting is CountingClass.INDIVIDUAL:
        return Counts(tally.notify, tally.highlight)
    highlights = (
        room.room_highlight_ordinal
        - following.room_highlight_ordinal
        - tally.excluded_highlights
        + tally.highlight
    )
    if counting is CountingClass.MENTIONS_ONLY:
        return Counts(max(0, highlights - tally.highlight + tally.notify), max(0, highlights))
    notify = room.ordinal - following.ordinal - tally.excluded + tally.notify
    return Counts(max(0, notify), max(0, highlights))


def _of_threads(
    threads: dict[EventId | None, Counts], counting: CountingClass
) -> UnreadCounts:
    if counting is CountingClass.MENTIONS_ONLY:
        threads = {root: Counts(c.highlight, c.highlight) for root, c in threads.items()}
    return UnreadCounts(
        threads.get(None, Counts(0, 0)),
        {root: c for root, c in threads.items() if root is not None and c.notify},
    )
