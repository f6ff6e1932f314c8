"""Unread counts: differences of the room's ordinals, and what differs by reader.

A room counts its notifying events; where a user has read to maps to an ordinal. So nothing is
written or evaluated per member when a message comes, and counting costs the same however far behind
the reader is. What differs by reader (ignored users, mentions, individual rules, threads) is read
once when the user first asks and then followed along the room's newest events and the reader's
receipts, without asking the database.

Client-server API, "Receipts", "Threading" (unread counts), "Push Notifications".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import attrs

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.domain.push_rules import CountingClass
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.receipts import ReceiptRow
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.ports.rooms.unread import Place, Tally, ThreadTally, UnreadStore
from homeserver.rooms.view import RoomView

MAIN_THREAD = "main"
"""The thread id of the main timeline in receipts."""


@attrs.frozen(slots=True)
class Counts:
    """What a user has not read: notifications, and of these how many are highlighted."""

    notify: int
    highlight: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.notify + other.notify, self.highlight + other.highlight)


NONE = Counts(0, 0)
_ONE = Counts(1, 0)


@attrs.frozen(slots=True)
class UnreadCounts:
    """Of a room: ``main`` is the whole room when ``threads`` is None, else its main timeline."""

    main: Counts
    threads: dict[EventId, Counts] | None = None


@attrs.frozen(slots=True)
class CountingReader:
    """For whom is counted: whose events do not count, and by which class of rules."""

    user_id: UserId
    ignored: frozenset[UserId]
    counting: Callable[[RoomId], CountingClass]


@attrs.define(slots=True)
class _Following:
    """What is known of one user in one room, up to and with the position ``until``.

    The user has read up to ``read_to`` without regard to threads. ``receipts_until`` is the newest
    receipt of the room that was regarded. ``threads``, once they are known, say where ``counts``
    belong, those of the main timeline under None.
    """

    counting: CountingClass
    ignored: frozenset[UserId]
    until: int
    receipts_until: int
    read_to: int
    counts: Counts = NONE
    threads: dict[EventId | None, Counts] | None = None


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
        following = self._current(room, reader, user_room, threads=threads)
        if following is None:
            return None
        if following.threads is None:
            return UnreadCounts(_in_class(following.counts, following.counting))
        by_thread = {
            root: _in_class(counts, following.counting)
            for root, counts in following.threads.items()
        }
        main = by_thread.pop(None, NONE)
        return UnreadCounts(
            main, {root: c for root, c in by_thread.items() if root is not None and c.notify}
        )

    async def read(
        self,
        rooms: Sequence[tuple[RoomView, UserRoom]],
        reader: CountingReader,
        *,
        threads: bool,
    ) -> None:
        """Read what the counts of many rooms take, in a fixed number of queries for each shard."""
        by_shard: dict[int, list[_Question]] = defaultdict(list)
        for room, user_room in rooms:
            if self._current(room, reader, user_room, threads=threads) is None:
                by_shard[room.shard].append(_Question.of(room, reader, user_room, threads=threads))
        for questions in by_shard.values():
            await self._read_shard(questions, reader)

    async def _read_shard(self, questions: list[_Question], reader: CountingReader) -> None:
        # Whatever is committed to these rooms from now on comes after their newest position.
        until = max(q.until for q in questions)
        ignored = list(reader.ignored)
        nids = [q.room.nid for q in questions]
        tallies = {
            tally.room_nid: tally
            for tally in await self._store.tallies(reader.user_id, ignored, nids, until)
        }
        found: dict[int, dict[EventId | None, Counts]] = defaultdict(dict)
        asked = [
            q
            for q in questions
            if q.threads and q.begin(reader, tallies.get(q.room.nid)).counts != NONE
        ]
        if asked:
            for thread in await self._store.threads(
                reader.user_id,
                ignored,
                [q.room.nid for q in asked],
                until,
                individual=[q.room.nid for q in asked if q.counting is CountingClass.INDIVIDUAL],
            ):
                found[thread.room_nid][thread.thread_root] = _counts_of(thread)
        for question in questions:
            if question.is_outdated(reader.user_id):
                continue  # a receipt moved meanwhile: whoever asks reads it again
            following = question.begin(reader, tallies.get(question.room.nid))
            if question.threads:
                following.threads = found[question.room.nid]
            self._keep(question.room.nid, reader.user_id, following)

    def _keep(self, nid: int, user_id: UserId, following: _Following) -> None:
        if len(self._following) >= self._capacity:
            self._following.pop(next(iter(self._following)))
        self._following[nid, user_id] = following

    def _current(
        self, room: RoomView, reader: CountingReader, user_room: UserRoom, *, threads: bool
    ) -> _Following | None:
        """What is known, brought up to the room's newest position; None when it must be read."""
        key = (room.nid, reader.user_id)
        following = self._following.get(key)
        if following is None:
            return None
        if (
            following.counting is not reader.counting(room.room_id)
            or following.ignored != reader.ignored
            or following.read_to < user_room.joined_position
        ):
            del self._following[key]
            return None
        if following.until < room.position and not _Follower(room, reader, following).catch_up():
            del self._following[key]
            return None
        if following.threads is None and (threads or reader.user_id in room.threaded_readers):
            return None
        return following


@attrs.frozen(slots=True)
class _Question:
    """What is to be read of one room, and how the room stood when it was asked."""

    room: RoomView
    counting: CountingClass
    until: int
    at: Place
    read: Place
    receipts_until: int
    threads: bool

    @classmethod
    def of(
        cls, room: RoomView, reader: CountingReader, user_room: UserRoom, *, threads: bool
    ) -> _Question:
        return cls(
            room,
            reader.counting(room.room_id),
            room.position,
            Place(room.position, room.ordinal, room.room_highlight_ordinal),
            _read_to(room, reader.user_id, user_room),
            room.receipts_position,
            threads or reader.user_id in room.threaded_readers,
        )

    def is_outdated(self, user_id: UserId) -> bool:
        """Whether a receipt of the reader has moved since."""
        return any(_own_receipts(self.room, user_id, self.receipts_until))

    def begin(self, reader: CountingReader, tally: Tally | None) -> _Following:
        """What is known now, with what the ordinals do not say."""
        tally = tally or Tally(self.room.nid)
        read = self.read
        if tally.own is not None and tally.own.position > read.position:
            read = tally.own
        if self.counting is CountingClass.INDIVIDUAL:
            counts = Counts(tally.notify, tally.highlight)
        else:
            notify = self.at.ordinal - read.ordinal - tally.excluded
            highlight = (
                self.at.room_highlight_ordinal
                - read.room_highlight_ordinal
                - tally.excluded_highlights
            )
            counts = Counts(
                max(0, notify) + tally.extra_notify, max(0, highlight) + tally.extra_highlight
            )
        return _Following(
            self.counting, reader.ignored, self.until, self.receipts_until, read.position, counts
        )


class _Follower:
    """Takes in the events and receipts that came since, from the room's memory."""

    def __init__(self, room: RoomView, reader: CountingReader, following: _Following) -> None:
        self._room = room
        self._user_id = reader.user_id
        self._following = following

    def catch_up(self) -> bool:
        """False when memory does not reach back far enough."""
        room, following = self._room, self._following
        receipts = list(_own_receipts(room, self._user_id, following.receipts_until))
        following.receipts_until = room.receipts_position
        read_to = max(
            (r.read_position for r in receipts if not r.thread_id), default=following.read_to
        )
        if read_to > following.read_to:
            return self._count_from(read_to)
        if not self._count_until_now():
            return False
        threads = {r.thread_id for r in receipts if r.thread_id}
        if not threads:
            return True
        if following.threads is None:
            return self._count_from(following.read_to)
        return all(map(self._count_thread, threads))

    def _count_from(self, position: int) -> bool:
        """Count afresh what came after a position up to which everything was read."""
        if not self._room.knows_notifications_after(position):
            return False
        following = self._following
        following.read_to = following.until = position
        following.counts = NONE
        following.threads = {}
        return self._count_until_now()

    def _count_until_now(self) -> bool:
        room, following = self._room, self._following
        if not room.knows_notifications_after(following.until):
            return False
        read = self._read_threads()
        for stored in room.after((following.until, 0)) or ():
            if stored.notifies and stored.event.sender == self._user_id:
                # Whoever says something has read what came before.
                following.read_to = stored.position
                following.counts = NONE
                following.threads = {}
                continue
            counts = self._counts_of(stored)
            if counts is None or stored.position <= read.get(stored.thread_root or MAIN_THREAD, 0):
                continue
            following.counts += counts
            if following.threads is not None:
                known = following.threads.get(stored.thread_root, NONE)
                following.threads[stored.thread_root] = known + counts
        following.until = room.position
        return True

    def _count_thread(self, thread_id: str) -> bool:
        """Count one thread afresh, in which the reader has moved a receipt."""
        room, following = self._room, self._following
        root = None if thread_id == MAIN_THREAD else EventId(thread_id)
        read_to = max(following.read_to, self._read_threads().get(thread_id, 0))
        if not room.knows_notifications_after(read_to):
            return False
        counts = NONE
        for stored in room.after((read_to, 0)) or ():
            if stored.thread_root == root:
                counts += self._counts_of(stored) or NONE
        assert following.threads is not None
        following.threads[root] = counts
        return True

    def _read_threads(self) -> dict[str, int]:
        """Up to where the reader has read each thread that has receipts of its own."""
        read: dict[str, int] = {}
        for thread_id in self._room.threaded_readers.get(self._user_id, ()):
            for receipt_type in ("m.read", "m.read.private"):
                receipt = self._room.receipts.get((self._user_id, receipt_type, thread_id))
                if receipt is not None:
                    read[thread_id] = max(read.get(thread_id, 0), receipt.read_position)
        return read

    def _counts_of(self, stored: StoredEvent) -> Counts | None:
        """What an event adds for the reader; None for nothing."""
        rows = self._room.notifications.get(stored.nid)
        if (not stored.notifies and not rows) or stored.event.sender in self._following.ignored:
            return None
        row = next((r for r in rows or () if r.user_id == self._user_id), None)
        if self._following.counting is CountingClass.INDIVIDUAL:
            return Counts(row.notify, row.highlight) if row is not None else None
        if row is None:
            if not stored.room_highlight:
                return _ONE if stored.notifies else None
            return Counts(1, 1)
        return Counts(
            int(stored.notifies or row.notify), int(stored.room_highlight or row.highlight)
        )


def _own_receipts(room: RoomView, user_id: UserId, after: int) -> Iterable[ReceiptRow]:
    return (r for r in room.receipts_after(after) if r.user_id == user_id)


def _read_to(room: RoomView, user_id: UserId, user_room: UserRoom) -> Place:
    """Up to where a user has read a room, by their unthreaded receipts and their last join."""
    receipt = room.read_receipt(user_id)
    if receipt is None or receipt.read_position < user_room.joined_position:
        return Place(user_room.joined_position, user_room.ordinal, user_room.room_highlight_ordinal)
    return Place(receipt.read_position, receipt.read_ordinal, receipt.read_room_highlight_ordinal)


def _in_class(counts: Counts, counting: CountingClass) -> Counts:
    match counting:
        case CountingClass.NOTHING:
            return NONE
        case CountingClass.MENTIONS_ONLY:
            return Counts(counts.highlight, counts.highlight)
    return counts


def _counts_of(thread: ThreadTally) -> Counts:
    return Counts(thread.notify, thread.highlight)
