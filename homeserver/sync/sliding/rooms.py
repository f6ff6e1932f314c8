"""A room's part of an answer. MSC4186, "RoomResult".

What is equal for all readers of the same news (timeline and state) is encoded once and shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.events import StoredEvent
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
from homeserver.sync.room_summary import heroes
from homeserver.sync.sliding.bump_stamps import BumpStamps, stamp
from homeserver.sync.sliding.requests import Shape
from homeserver.sync.sliding.room_news import AVATAR, NAME, RoomNews
from homeserver.sync.sliding.telling import Telling
from homeserver.sync.stripped_state import stripped, stripped_state

_NULL = b"null"


@attrs.frozen(slots=True)
class Manner:
    """What an answer says of a room beside its news.

    ``live_since`` is the position after which events are live, None for no event. ``lists`` are
    those that the room matches. ``is_direct`` is None where it need not be told. ``unread`` are
    notifications and highlights, where they are told at all.
    """

    shape: Shape
    device_id: str | None
    live_since: int | None = None
    lists: Sequence[str] = ()
    is_direct: bool | None = None
    unread: tuple[int, int] | None = None


class RoomWriter:
    """Writes the parts of rooms."""

    def __init__(
        self, directory: RoomDirectory, presenter: Presenter, stamps: BumpStamps, clock: Clock
    ) -> None:
        self._events = directory.events
        self._presenter = presenter
        self._stamps = stamps
        self._clock = clock

    async def surroundings(
        self, rooms: Sequence[tuple[Telling, RoomNews]], device_id: str | None
    ) -> Mapping[int, Surroundings]:
        """What belongs beside the events of many rooms of one reader, in a fixed number of
        queries."""
        events = [event for _, news in rooms for event in news.events]
        events += (e for _, news in rooms for e in news.state if e.redacted_by is not None)
        if not events:
            return {}
        session = rooms[0][0].session
        reader = Reader(session.user_id, device_id, session.ignored)
        return await self._presenter.surroundings(events, reader, [t.view for t, _ in rooms])

    async def prepare(self, tellings: Sequence[Telling]) -> None:
        """Bring what many rooms take that are told from scratch into memory, in one query."""
        await self._stamps.prepare(telling.view for telling in tellings)

    async def joined(
        self,
        telling: Telling,
        news: RoomNews,
        manner: Manner,
        around: Mapping[int, Surroundings],
    ) -> bytes:
        """A room that the user is in."""
        view, is_initial = telling.view, telling.is_initial
        parts = self._head(telling, news, manner)
        name = _text(view.content(*NAME).get("name"))
        changes_members = is_initial or any(key[0] == MEMBER for key in news.changed)
        changes_name = is_initial or NAME in news.changed
        if changes_name and (name or not is_initial):
            parts.append(b'"name":' + (encode(name) if name else _NULL))
        if is_initial or AVATAR in news.changed:
            avatar = _text(view.content(*AVATAR).get("url"))
            if avatar or not is_initial:
                parts.append(b'"avatar":' + (encode(avatar) if avatar else _NULL))
        if not name and (changes_name or changes_members):
            parts.append(b'"heroes":' + encode(await self._heroes(view, telling.session.user_id)))
        if changes_members:
            parts.append(
                b'"joined_count":%d,"invited_count":%d' % (view.joined_count, view.invited_count)
            )
        if news.bumps:
            parts.append(b'"bump_stamp":%d' % await self._stamps.of(view))
        if not news.is_empty or is_initial:
            parts.append(self._core(telling, news, manner, around))
        return b",".join(parts)

    async def departed(
        self,
        telling: Telling,
        news: RoomNews,
        manner: Manner,
        around: Mapping[int, Surroundings],
    ) -> bytes:
        """A room that the user was in."""
        parts = self._head(telling, news, manner)
        places = {e.event.state_map_key(): e.event.content for e in news.state}
        for key, field, member in ((NAME, "name", b"name"), (AVATAR, "url", b"avatar")):
            if key in places:
                value = _text(places[key].get(field))
                if value or not telling.is_initial:
                    parts.append(b'"%s":%s' % (member, encode(value) if value else _NULL))
        required = telling.config.required_state
        shown = [
            e
            for e in news.state
            if e.event.type == MEMBER or required.matches(*e.event.state_map_key())
        ]
        parts.append(await self._own_stamp(telling))
        parts.append(self._core(telling, attrs.evolve(news, state=shown), manner, around))
        return b",".join(parts)

    async def stripped(self, telling: Telling, manner: Manner) -> bytes:
        """A room that the user is invited to or has knocked at."""
        room = telling.room
        events = await stripped_state(
            telling.view, self._events, telling.session.user_id, room.sender
        )
        name = b"stripped_state" if manner.shape is Shape.STABLE else b"invite_state"
        parts = self._head(attrs.evolve(telling, since=None), None, manner)
        parts.append(b'"%s":[%s]' % (name, b",".join(events)))
        parts.append(await self._own_stamp(telling))
        return b",".join(parts)

    async def rejected(self, telling: Telling, manner: Manner) -> bytes:
        """A room that the user never was in, and is not invited to any more."""
        own = await self._own_membership(telling)
        parts = self._head(telling, None, manner)
        parts.append(await self._own_stamp(telling))
        if manner.shape is Shape.STABLE:
            parts.append(b'"stripped_state":[%s]' % b",".join(map(stripped, own)))
            return b",".join(parts)
        # Whoever gets stripped state here takes the room for one they are invited to.
        now, membership = self._clock.now_ms(), telling.room.membership
        events = b",".join(event_json(e, now, membership=membership) for e in own)
        parts.append(b'"timeline":[%s],"required_state":[%s]' % (events, events))
        return b",".join(parts)

    def _head(self, telling: Telling, news: RoomNews | None, manner: Manner) -> list[bytes]:
        parts = []
        is_stable = manner.shape is Shape.STABLE
        if is_stable:
            parts.append(b'"membership":"%s"' % telling.room.membership.encode())
            if manner.lists:
                parts.append(b'"lists":' + encode(manner.lists))
        if telling.is_initial:
            parts.append(b'"initial":true')
        if news is not None and news.is_expanded:
            name = b"expanded_timeline" if is_stable else b"unstable_expanded_timeline"
            parts.append(b'"%s":true' % name)
        if manner.is_direct is not None:
            parts.append(b'"is_dm":true' if manner.is_direct else b'"is_dm":false')
        if manner.unread is not None:
            parts.append(b'"notification_count":%d,"highlight_count":%d' % manner.unread)
        return parts

    def _core(
        self,
        telling: Telling,
        news: RoomNews,
        manner: Manner,
        around: Mapping[int, Surroundings],
    ) -> bytes:
        """Timeline and state."""
        session, live = telling.session, manner.live_since
        num_live = sum(e.position > live for e in news.events) if live is not None else 0
        fragments = telling.view.fragments
        key = None
        if not telling.is_initial and not _is_personal(telling, news, manner):
            nids = tuple(e.nid for e in news.events)
            key = ("sliding", nids, tuple(e.nid for e in news.state), news.limited, num_live)
            shared = fragments.get(key)
            if isinstance(shared, bytes):
                return shared
        now = self._clock.now_ms()
        reader = EVERYONE
        if key is None:
            reader = Reader(session.user_id, manner.device_id, session.ignored)
        timeline = [
            event_json(
                e,
                now,
                reader,
                around.get(e.nid, ALONE),
                membership=news.memberships.get(e.nid, "join"),
            )
            for e in news.events
        ]
        state = [event_json(e, now, EVERYONE, _why(e, around), membership=None) for e in news.state]
        if manner.shape is Shape.STABLE:
            state += (encode({"type": type, "state_key": key}) for type, key in news.emptied)
        core = (
            b'"timeline":[%s],"prev_batch":"%s","limited":%s,"num_live":%d,"required_state":[%s]'
            % (
                b",".join(timeline),
                str(news.before).encode(),
                b"true" if news.limited else b"false",
                num_live,
                b",".join(state),
            )
        )
        if key is not None:
            fragments[key] = core
        return core

    async def _heroes(self, view: RoomView, reader: UserId) -> list[dict[str, str]]:
        users = heroes(view, reader)
        events = await self._events.fetch(view.members[user].nid for user in users)
        found = []
        for user in users:
            stored = events.get(view.members[user].nid)
            content = stored.event.content if stored is not None else {}
            named = {
                key: value
                for key in ("displayname", "avatar_url")
                if isinstance(value := content.get(key), str)
            }
            found.append({"user_id": user, **named})
        return found

    async def _own_membership(self, telling: Telling) -> list[StoredEvent]:
        return list((await self._events.fetch([telling.room.event_nid])).values())

    async def _own_stamp(self, telling: Telling) -> bytes:
        own = await self._own_membership(telling)
        stamps = [stamp(e.event.origin_server_ts, e.position) for e in own]
        return b'"bump_stamp":%d' % max(stamps, default=0)


def _is_personal(telling: Telling, news: RoomNews, manner: Manner) -> bool:
    """Whether the timeline differs from that of other readers."""
    session = telling.session
    if session.ignored or news.memberships or news.emptied:
        return True
    related = telling.view.related
    return any(
        e.event.event_id in related
        or (
            e.txn_id is not None
            and e.device_id == manner.device_id
            and e.event.sender == session.user_id
        )
        for e in news.events
    )


def _text(value: object) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def _why(stored: StoredEvent, around: Mapping[int, Surroundings]) -> Surroundings:
    """Of what is beside a state event, why it was redacted."""
    if stored.redacted_by is None or stored.nid not in around:
        return ALONE
    return Surroundings(redaction=around[stored.nid].redaction)
