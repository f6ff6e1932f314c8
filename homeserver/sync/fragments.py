"""A room's part of a sync.

Most of it is the same for all who wait with the same window and an equal filter: that core is built
once and shared. A small tail (unread counts, account data, summary) is the reader's own. What makes
even the core personal (the reader's own transaction id, ignored users, private receipts) is built
for that reader alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import msgspec

from homeserver.domain.filters import CompiledFilter, CompiledRoomEventFilter
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.events import StoredEvent
from homeserver.ports.receipts import ReceiptRow
from homeserver.ports.rooms import UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import (
    ALONE,
    EVERYONE,
    Presenter,
    Reader,
    Surroundings,
    encode,
    event_json,
)
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.rooms.visible_events import Visibility
from homeserver.sync.room_summary import heroes, needs_heroes
from homeserver.sync.sessions import Session

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 500
_EMPTY_STATE = b'"state":{"events":[]}'


@attrs.frozen(slots=True)
class SyncOptions:
    """How a reader wants rooms presented."""

    filter: CompiledFilter
    use_state_after: bool

    @property
    def limit(self) -> int:
        """How many timeline events a room has at most."""
        return min(self.filter.room.timeline.limit or DEFAULT_LIMIT, LARGEST_LIMIT)

    @property
    def lazy(self) -> bool:
        """Whether members are left out until something of them is shown."""
        return self.filter.room.state.lazy_load_members


@attrs.frozen(slots=True)
class Window:
    """Who reads a room, after which position (None: from scratch) and up to which."""

    session: Session
    device_id: str | None
    since: int | None
    until: int
    options: SyncOptions

    @property
    def reader(self) -> Reader:
        """The reader of the window."""
        return Reader(self.session.user_id, self.device_id)


@attrs.frozen(slots=True)
class Core:
    """The part of a room that does not depend on what the reader has read."""

    body: bytes
    """JSON members: timeline, state or state_after, ephemeral."""
    is_empty: bool
    counts_changed: bool
    """Whether the members of the room may have changed, so that the summary is due."""
    members: list[UserId] = attrs.Factory(list)
    """Members that were sent because lazily loaded."""


class RoomFragments:
    """Builds the cores of rooms."""

    def __init__(
        self, directory: RoomDirectory, presenter: Presenter, visibility: Visibility, clock: Clock
    ) -> None:
        self._directory = directory
        self._events = directory.events
        self._presenter = presenter
        self._visibility = visibility
        self._clock = clock

    # --- what came after a token

    def ready(self, room: RoomView, window: Window) -> Core | None:
        """The core of what came since, if memory has all that it takes."""
        assert window.since is not None
        news = room.after((window.since, 0))
        if news is None or len(news) > window.options.limit:
            return None
        events = self._wanted(room, news, window)
        if any(_is_own_membership(e, window.session.user_id) for e in events):
            return None
        known = self._known(room, window)
        members = self._lazy_members(events, known, window)
        personal = self._is_personal(room, events, window)
        key = None
        if not personal:
            key = (
                window.since if not events else events[0].nid,
                window.since < room.typing_position,
                self._receipts_key(room, window.since),
                room.position if window.until >= room.position else window.until,
                window.options.filter.room.fingerprint,
                window.options.use_state_after,
                tuple(members),
            )
            shared = room.fragments.get(key)
            if isinstance(shared, Core):
                return shared
        around: dict[int, Surroundings] = {}
        for stored in events:
            if stored.redacted_by is not None or stored.event.event_id in room.related:
                return None
            if stored.replaces_nid is not None:
                previous = room.previous.get(stored.nid)
                if previous is None:
                    return None
                around[stored.nid] = Surroundings(previous)
        lazily = []
        for user_id in members:
            member = room.members.get(user_id)
            loaded = self._events.get(member.nid) if member is not None else None
            if loaded is None:
                return None
            lazily.append(loaded)
        reader = window.reader if personal else EVERYONE
        state = list(lazily)
        if window.options.use_state_after:
            state += [e for e in events if e.event.is_state]
        ephemeral = self._ephemeral(room, window)
        body = self._join(
            room,
            window,
            timeline=self._timeline(events, around, reader, window, None),
            limited=False,
            prev_batch=TimelineToken(window.since),
            state=[event_json(e, self._clock.now_ms()) for e in state],
            ephemeral=ephemeral,
        )
        core = Core(
            body,
            is_empty=not events and not ephemeral,
            counts_changed=any(e.event.type == MEMBER for e in events),
            members=members,
        )
        if key is not None:
            room.fragments[key] = core
        return core

    async def since(self, room: RoomView, window: Window) -> Core:
        """The core of what came since, with whatever must be read for it."""
        found = self.ready(room, window)
        if found is not None:
            return found
        assert window.since is not None
        limit = window.options.limit
        news = room.after((window.since, 0))
        if news is None:
            news = await self._events.store.timeline(
                room.nid,
                after=(window.since, 0),
                until=(window.until, 0),
                backwards=True,
                limit=LARGEST_LIMIT + 1,
            )
            news.reverse()
        wanted = self._wanted(room, news, window)
        limited = len(wanted) > limit or len(news) > LARGEST_LIMIT
        events = wanted[-limit:]
        seen, memberships = await self._visibility.visible(room, window.session.user_id, events)
        state: list[StoredEvent] = []
        start = seen[0].position - 1 if seen else window.until
        end = window.until if window.options.use_state_after else start
        if limited or window.options.use_state_after:
            spans = await self._directory.store.state_changes(room.nid, window.since, end)
            state = list((await self._events.fetch(s.event_nid for s in spans)).values())
            if window.options.lazy:
                state = [e for e in state if e.event.type != MEMBER or not limited]
        members = self._lazy_members(seen, self._known(room, window), window)
        state += await self._members(room, members, state)
        return await self._finish(
            room,
            window,
            seen,
            state,
            memberships,
            limited=limited,
            before=TimelineToken(seen[0].position, seen[0].sub - 1)
            if limited and seen
            else TimelineToken(window.since),
            members=members,
        )

    # --- from scratch

    async def prefetch(
        self, rooms: Iterable[RoomView], user_id: UserId, options: SyncOptions
    ) -> None:
        """Bring into memory, in one query, what sending many rooms from scratch takes."""
        nids: set[int] = set()
        for room in rooms:
            shown = list(room.tail)[-options.limit :]
            nids.update(e.replaces_nid for e in shown if e.replaces_nid is not None)
            if not options.lazy:
                nids.update(member.nid for member in room.members.values())
                continue
            users = {e.event.sender for e in shown} | {user_id}
            if needs_heroes(room):
                users.update(heroes(room, user_id))
            nids.update(room.members[user].nid for user in users if user in room.members)
        await self._events.fetch(nids)

    async def full(
        self, room: RoomView, window: Window, *, known_until: int | None = None
    ) -> Core:
        """The core of a room as it is at the end of the window: newest timeline, whole state.

        ``known_until``: everything up to there is known to the reader (full_state=true).
        """
        limit = window.options.limit
        tail = [e for e in room.tail if e.position <= window.until]
        older = room.tail_after != (-1, 0)
        wanted = self._wanted(room, tail, window)
        if older and len(wanted) < limit:
            tail = await self._events.store.timeline(
                room.nid, until=(window.until, 0), backwards=True, limit=LARGEST_LIMIT + 1
            )
            tail.reverse()
            older = len(tail) > LARGEST_LIMIT
            wanted = self._wanted(room, tail, window)
        if known_until is not None:
            wanted = [e for e in wanted if e.position > known_until]
        events = wanted[-limit:]
        seen, memberships = await self._visibility.visible(room, window.session.user_id, events)
        limited = len(wanted) > limit or (older and known_until is None)
        places = await self._state_places(room, window, seen)
        members: list[UserId] = []
        if window.options.lazy:
            members = self._lazy_members(seen, set(), window)
            extra = [window.session.user_id]
            if needs_heroes(room):
                extra += heroes(room, window.session.user_id)
            members += [user for user in extra if user not in members]
            wanted_members = set(members)
            places = {
                key: nid
                for key, nid in places.items()
                if key[0] != MEMBER or key[1] in wanted_members
            }
        loaded = await self._events.fetch(
            nid for key, nid in places.items() if key not in room.state
        )
        state = []
        for key, nid in places.items():
            held = room.state.get(key)
            found = held if held is not None and held.nid == nid else loaded.get(nid)
            if found is None:
                found = (await self._events.fetch([nid])).get(nid)
            if found is not None:
                state.append(found)
        first = seen[0] if seen else None
        return await self._finish(
            room,
            window,
            seen,
            state,
            memberships,
            limited=limited,
            before=TimelineToken(first.position, first.sub - 1)
            if first
            else TimelineToken(window.until),
            members=members,
        )

    async def own_membership(self, room: RoomView, window: Window, user_room: UserRoom) -> Core:
        """The core of a room that the reader never was in: their own membership event alone."""
        own = await self._events.fetch([user_room.event_nid])
        now = self._clock.now_ms()
        events = [
            self._shape(e, event_json(e, now, membership=user_room.membership), window)
            for e in own.values()
        ]
        body = self._join(
            room,
            window,
            timeline=events,
            limited=False,
            prev_batch=TimelineToken(user_room.position),
            state=[],
            ephemeral=[],
        )
        return Core(body, is_empty=False, counts_changed=False)

    async def _state_places(
        self, room: RoomView, window: Window, timeline: Sequence[StoredEvent]
    ) -> dict[tuple[str, str], int]:
        """By place: the number of the event that held it before the timeline began, or at its
        end for ``state_after``."""
        if window.until < room.position and any(
            e.position > window.until and e.event.is_state for e in room.tail
        ):
            end = window.until
            if not window.options.use_state_after and timeline:
                end = timeline[0].position - 1
            spans = await self._directory.store.state_at(room.nid, end)
            return {(s.type, s.state_key): s.event_nid for s in spans}
        places = {key: event.nid for key, event in room.state.items()}
        for user_id, member in room.members.items():
            places[MEMBER, user_id] = member.nid
        if not window.options.use_state_after and timeline:
            first = timeline[0].order
            for event in reversed(room.tail):
                if event.order < first:
                    break
                if event.event.state_key is None:
                    continue
                key = event.event.state_map_key()
                if event.replaces_nid is None:
                    places.pop(key, None)
                else:
                    places[key] = event.replaces_nid
            if first <= room.tail_after:
                spans = await self._directory.store.state_at(room.nid, first[0] - 1)
                return {(s.type, s.state_key): s.event_nid for s in spans}
        return places

    # --- pieces

    async def _finish(
        self,
        room: RoomView,
        window: Window,
        events: list[StoredEvent],
        state: list[StoredEvent],
        memberships: Mapping[int, str],
        *,
        limited: bool,
        before: TimelineToken,
        members: list[UserId],
    ) -> Core:
        around = await self._presenter.surroundings(events, window.session.user_id, room)
        now = self._clock.now_ms()
        state_filter = window.options.filter.room.state
        shown = [e for e in state if _passes(state_filter, e)]
        ephemeral = self._ephemeral(room, window)
        body = self._join(
            room,
            window,
            timeline=self._timeline(events, around, window.reader, window, memberships),
            limited=limited,
            prev_batch=before,
            state=[self._shape(e, event_json(e, now), window) for e in shown],
            ephemeral=ephemeral,
        )
        return Core(
            body,
            is_empty=not events and not state and not ephemeral and not limited,
            counts_changed=window.since is None
            or limited
            or any(e.event.type == MEMBER for e in events),
            members=members,
        )

    def _timeline(
        self,
        events: Sequence[StoredEvent],
        around: Mapping[int, Surroundings],
        reader: Reader,
        window: Window,
        memberships: Mapping[int, str] | None,
    ) -> list[bytes]:
        now = self._clock.now_ms()
        memberships = memberships or {}
        return [
            self._shape(
                e,
                event_json(
                    e,
                    now,
                    reader,
                    around.get(e.nid, ALONE),
                    membership=memberships.get(e.nid, "join"),
                ),
                window,
            )
            for e in events
        ]

    @staticmethod
    def _shape(stored: StoredEvent, encoded: bytes, window: Window) -> bytes:
        """The event in the format and with the fields that the filter asks for."""
        definition = window.options.filter
        if definition.federation_format:
            unsigned = msgspec.json.decode(encoded).get("unsigned", {})
            encoded = b'%s,"unsigned":%s}' % (stored.event.pdu[:-1], encode(unsigned))
        if definition.event_fields is not None:
            encoded = encode(definition.event_fields.select(msgspec.json.decode(encoded)))
        return encoded

    def _wanted(
        self, room: RoomView, events: Iterable[StoredEvent], window: Window
    ) -> list[StoredEvent]:
        """The timeline events of the window that the filter and the ignored users leave."""
        until, timeline = window.until, window.options.filter.room.timeline
        ignored = window.session.ignored
        found = [e for e in events if e.position <= until]
        if not timeline.is_pass_all:
            if timeline.is_pass_none or not timeline.matches_room(room.room_id):
                return []
            found = [e for e in found if _passes(timeline, e)]
        if ignored:
            found = [
                e for e in found if e.event.sender not in ignored or e.event.state_key is not None
            ]
        return found

    def _is_personal(
        self, room: RoomView, events: Sequence[StoredEvent], window: Window
    ) -> bool:
        if window.session.ignored or not window.options.filter.is_pass_all:
            return True
        user_id, device_id = window.session.user_id, window.device_id
        for event in events:
            if event.txn_id is not None and event.device_id == device_id:
                return event.event.sender == user_id
        private = room.receipts.get((user_id, "m.read.private", ""))
        assert window.since is not None
        if private is not None and private.position > window.since:
            return True
        return user_id in room.threaded_readers

    def _receipts_key(self, room: RoomView, since: int) -> int:
        newest = next(reversed(room.receipts.values()), None)
        if newest is None or newest.position <= since:
            return 0
        return since

    def _known(self, room: RoomView, window: Window) -> set[UserId]:
        if window.options.filter.room.state.include_redundant_members:
            return set()
        device = window.session.devices.get(window.device_id or "")
        return device.known.get(room.nid, set()) if device is not None else set()

    @staticmethod
    def _lazy_members(
        events: Sequence[StoredEvent], known: set[UserId], window: Window
    ) -> list[UserId]:
        """The senders whose member events must go along, as the reader has not seen them."""
        if not window.options.lazy:
            return []
        senders = dict.fromkeys(e.event.sender for e in events)
        for event in events:
            if event.event.type == MEMBER and event.event.state_key == event.event.sender:
                senders.pop(event.event.sender, None)
        return [sender for sender in senders if sender not in known]

    async def _members(
        self, room: RoomView, users: Iterable[UserId], besides: Iterable[StoredEvent]
    ) -> list[StoredEvent]:
        there = {e.nid for e in besides}
        nids = [room.members[user].nid for user in users if user in room.members]
        found = await self._events.fetch(nid for nid in nids if nid not in there)
        return list(found.values())

    def _ephemeral(self, room: RoomView, window: Window) -> list[bytes]:
        wanted = window.options.filter.room.ephemeral
        if wanted.is_pass_none or not wanted.matches_room(room.room_id):
            return []
        since = window.since if window.since is not None else -1
        found = []
        if room.typing_position > since and (room.typing or window.since is not None):
            if wanted.matches("m.typing", None):
                content = encode({"user_ids": room.typing})
                found.append(b'{"content":%s,"type":"m.typing"}' % content)
        receipts = room.receipts_after(since)
        if receipts and wanted.matches("m.receipt", None):
            shown = receipt_content(receipts, window.session.user_id, window.session.ignored)
            if shown:
                found.append(b'{"content":%s,"type":"m.receipt"}' % encode(shown))
        return found

    @staticmethod
    def _join(
        room: RoomView,
        window: Window,
        *,
        timeline: list[bytes],
        limited: bool,
        prev_batch: TimelineToken,
        state: list[bytes],
        ephemeral: list[bytes],
    ) -> bytes:
        name = b"state_after" if window.options.use_state_after else b"state"
        return b'"timeline":{"events":[%s],"limited":%s,"prev_batch":"%s"},"%s":{"events":[%s]},' % (
            b",".join(timeline),
            b"true" if limited else b"false",
            str(prev_batch).encode(),
            name,
            b",".join(state),
        ) + b'"ephemeral":{"events":[%s]}' % b",".join(ephemeral)


def _passes(definition: CompiledRoomEventFilter, stored: StoredEvent) -> bool:
    if definition.is_pass_all:
        return True
    event = stored.event
    has_url = definition.contains_url is not None and isinstance(event.content.get("url"), str)
    return definition.matches(event.type, event.sender, has_url=has_url)


def _is_own_membership(stored: StoredEvent, user_id: UserId) -> bool:
    return stored.event.type == MEMBER and stored.event.state_key == user_id


def receipt_content(
    receipts: Iterable[ReceiptRow], reader: UserId, ignored: frozenset[UserId]
) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """The content of an m.receipt event: event, type, user, and the receipt. Private receipts are
    for their own user."""
    content: dict[str, dict[str, dict[str, dict[str, object]]]] = {}
    for receipt in receipts:
        if receipt.receipt_type == "m.read.private" and receipt.user_id != reader:
            continue
        if receipt.user_id in ignored:
            continue
        value: dict[str, object] = {"ts": receipt.ts}
        if receipt.thread_id:
            value["thread_id"] = receipt.thread_id
        users = content.setdefault(receipt.event_id, {}).setdefault(receipt.receipt_type, {})
        users[receipt.user_id] = value
    return content
