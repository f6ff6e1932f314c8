"""The rooms of an answer: which are told, from where on, and how. MSC4186, "Room results"."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from homeserver.domain.identifiers import RoomId
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import encode
from homeserver.rooms.view import RoomView
from homeserver.sync.session import Session
from homeserver.sync.sliding.chosen_rooms import ChosenRooms
from homeserver.sync.sliding.connections import Connection, Draft, SentRoom
from homeserver.sync.sliding.requests import Shape, SlidingRequest
from homeserver.sync.sliding.room_configs import RoomConfig
from homeserver.sync.sliding.room_news import RoomNews, RoomNewsReader
from homeserver.sync.sliding.rooms import Manner, RoomWriter
from homeserver.sync.sliding.telling import Telling
from homeserver.sync.unread_section import UnreadSection


@attrs.frozen(slots=True)
class Look:
    """A look at what is new on a connection.

    ``direct`` are the rooms the user calls direct, ``direct_changes`` those for which that has
    changed since, None when that is not known.
    """

    session: Session
    request: SlidingRequest
    connection: Connection
    draft: Draft
    chosen: ChosenRooms
    since: SyncToken | None
    until: SyncToken
    direct: Collection[RoomId] = ()
    direct_changes: frozenset[RoomId] | None = frozenset()

    def touched(self) -> list[int]:
        """The rooms in which something came since."""
        if self.since is None:
            return []
        return self.session.rooms_after(self.since, self.until)

    def changed_direct(self, room: UserRoom) -> bool:
        """Whether it may have changed that a room is direct."""
        return self.direct_changes is None or room.room_id in self.direct_changes


@attrs.frozen(slots=True)
class ToldRooms:
    """What an answer tells of rooms: their parts as members of a JSON object.

    For the rest see :class:`homeserver.sync.sliding.rounds.SlidingRound`.
    """

    parts: list[bytes] = attrs.Factory(list)
    rooms: dict[int, UserRoom] = attrs.Factory(dict)
    initial: set[int] = attrs.Factory(set)
    expanded: set[int] = attrs.Factory(set)
    returned: dict[int, int] = attrs.Factory(dict)


class RoomTeller:
    """Tells the rooms of an answer, and notes in its draft that they were told."""

    def __init__(
        self,
        directory: RoomDirectory,
        news: RoomNewsReader,
        writer: RoomWriter,
        unread: UnreadSection,
    ) -> None:
        self._directory = directory
        self._news = news
        self._writer = writer
        self._unread = unread

    async def tell(self, look: Look, nids: Iterable[int]) -> ToldRooms:
        """What there is to tell of some rooms that the rules choose."""
        nids = list(nids)
        told = ToldRooms(returned=_returned(look, nids))
        tellings = await self._tellings(look, nids)
        if tellings:
            await self._tell(look, tellings, told)
        for nid in told.returned.keys() - told.rooms.keys():
            # Nothing came in it that the client is told.
            if (sent := look.draft.get(nid)) is not None:
                look.draft.put(nid, SentRoom(sent.config))
        return told

    async def _tell(self, look: Look, tellings: Sequence[Telling], told: ToldRooms) -> None:
        joined = [t for t in tellings if t.room.membership == "join"]
        await self._prepare(look, joined)
        found: list[tuple[Telling, RoomNews]] = []
        for telling in joined:
            news = await self._news_of(look, telling)
            if news is not None:
                found.append((telling, news))
        around = await self._writer.surroundings(found, look.request.device_id)
        for telling, news in found:
            manner = await self._manner(look, telling)
            part = await self._writer.joined(telling, news, manner, around)
            self._note(look, telling, news)
            _add(told, telling, part)
            if news.is_expanded:
                told.expanded.add(telling.view.nid)
        for telling in tellings:
            if telling.room.membership != "join":
                await self._tell_outsider(look, telling, told)

    async def _tellings(self, look: Look, nids: Iterable[int]) -> list[Telling]:
        wanted: list[tuple[UserRoom, RoomConfig]] = []
        for nid in nids:
            room = look.session.rooms.get(nid)
            config = look.chosen.config_of(nid)
            if room is not None and config is not None and _may_have_news(look, room, config):
                wanted.append((room, config))
        views = await self._views([room for room, _ in wanted])
        return [self._telling(look, room, views[room.room_nid], c) for room, c in wanted]

    async def _views(self, rooms: Sequence[UserRoom]) -> Mapping[int, RoomView]:
        views = {
            room.room_nid: actor.view
            for room in rooms
            if (actor := self._directory.loaded(room.room_nid)) is not None
        }
        if len(views) < len(rooms):
            # Loading some may push others out of memory: all are held from here on.
            actors = await self._directory.load(room.room_nid for room in rooms)
            views = {nid: actor.view for nid, actor in actors.items()}
        return views

    def _telling(self, look: Look, room: UserRoom, view: RoomView, config: RoomConfig) -> Telling:
        since = _known_until(look, room)
        sent = look.draft.get(room.room_nid)
        return Telling(
            session=look.session,
            room=room,
            view=view,
            config=config,
            since=since,
            until=look.until.positions[room.shard],
            known=sent.config if sent is not None and since is not None else None,
            held=look.connection.held_from(room.room_nid),
            knows_members=look.connection.knows_members(room.room_nid),
        )

    async def _prepare(self, look: Look, joined: Sequence[Telling]) -> None:
        """Bring what many rooms take into memory, in bulk."""
        if look.request.shape is Shape.UNSTABLE:
            await self._unread.load_rules(look.session)
            rooms = [(t.view, t.room) for t in joined]
            await self._unread.prepare(look.session, rooms, threads=False)
        initial = [t for t in joined if t.is_initial]
        if initial:
            await self._news.prefetch(initial)
            await self._writer.prepare(initial)

    async def _news_of(self, look: Look, telling: Telling) -> RoomNews | None:
        """What there is to tell of a room that the user is in, if anything."""
        if telling.since is None:
            return await self._news.whole(telling)
        news = await self._news.changes(telling)
        if not news.is_empty or look.changed_direct(telling.room):
            return news
        if look.request.shape is Shape.UNSTABLE and _has_read(telling):
            return news
        # That more is wanted of it than there is, need not be found out again.
        self._note(look, telling, news)
        return None

    async def _manner(self, look: Look, telling: Telling) -> Manner:
        room, request = telling.room, look.request
        is_direct: bool | None = room.room_id in look.direct
        if telling.is_initial:
            is_direct = is_direct or None
        elif not look.changed_direct(room):
            is_direct = None
        unread = None
        if request.shape is Shape.UNSTABLE and room.membership == "join":
            counts = await self._unread.counts(look.session, telling.view, room, threads=False)
            whole = sum((counts.threads or {}).values(), start=counts.main)
            unread = (whole.notify, whole.highlight)
        return Manner(
            shape=request.shape,
            device_id=request.device_id,
            live_since=look.since.positions[room.shard] if look.since is not None else None,
            lists=look.chosen.lists_of(room.room_nid),
            is_direct=is_direct,
            unread=unread,
        )

    async def _tell_outsider(self, look: Look, telling: Telling, told: ToldRooms) -> None:
        manner = await self._manner(look, telling)
        if telling.room.membership in ("invite", "knock"):
            part = await self._writer.stripped(telling, manner)
            telling = attrs.evolve(telling, since=None)
        else:
            left = await self._news.left_at(telling)
            if left is None:
                part = await self._writer.rejected(telling, manner)
            else:
                news = await self._news.departed(telling, left)
                device_id = look.request.device_id
                around = await self._writer.surroundings([(telling, news)], device_id)
                part = await self._writer.departed(telling, news, manner, around)
        look.draft.put(telling.room.room_nid, SentRoom(telling.config))
        _add(told, telling, part)

    def _note(self, look: Look, telling: Telling, news: RoomNews) -> None:
        nid, delivery = telling.view.nid, look.draft.delivery
        look.draft.put(nid, SentRoom(_known_now(telling, news)))
        if telling.is_initial or (news.limited and not news.is_expanded):
            look.connection.forget_members(nid)
        if news.members:
            delivery.members.append((nid, news.members))
        if news.held is not None:
            delivery.held[nid] = news.held


def note_missed(look: Look) -> None:
    """Note in which rooms something came while no rule chose them."""
    if look.since is None:
        return
    for nid in look.touched():
        sent = look.draft.get(nid)
        room = look.session.rooms.get(nid)
        if sent is None or room is None or sent.behind is not None:
            continue
        if look.chosen.config_of(nid) is None:
            behind = look.since.positions[room.shard]
            look.draft.put(nid, SentRoom(sent.config, behind))


def _returned(look: Look, nids: Iterable[int]) -> dict[int, int]:
    """The rooms that were behind and are chosen again, with the position up to which the client
    knows them."""
    return {
        nid: sent.behind
        for nid in nids
        if (sent := look.draft.get(nid)) is not None
        and sent.behind is not None
        and look.chosen.config_of(nid) is not None
    }


def _known_until(look: Look, room: UserRoom) -> int | None:
    """The position up to which the client knows a room; None when it is told from scratch."""
    sent = look.draft.get(room.room_nid)
    if sent is None or look.since is None:
        return None
    since = sent.behind if sent.behind is not None else look.since.positions[room.shard]
    if room.membership == "join" and room.joined_position > since:
        return None
    return since


def _may_have_news(look: Look, room: UserRoom, config: RoomConfig) -> bool:
    """Whether a room must be looked at. No I/O."""
    since = _known_until(look, room)
    sent = look.draft.get(room.room_nid)
    if since is None or sent is None:
        return True
    if room.membership != "join":
        return room.position > since
    return (
        look.session.touched[room.shard].get(room.room_nid, 0) > since
        or config.expands(sent.config)
        or look.changed_direct(room)
    )


def _known_now(telling: Telling, news: RoomNews) -> RoomConfig:
    """What the client knows of a room when it has been told."""
    known, config = telling.known, telling.config
    if known is None or known == config:
        return config
    if any(
        known.required_state.matches(*key) and not config.required_state.matches(*key)
        for key in news.changed
    ):
        # What was required before, and is not now, has been missed.
        known = RoomConfig(known.timeline_limit)
    limit = config.timeline_limit
    if not news.limited and not news.is_expanded:
        limit = max(limit, known.timeline_limit)
    return known.widened_by(attrs.evolve(config, timeline_limit=limit))


def _has_read(telling: Telling) -> bool:
    """Whether the user moved a receipt in a room, so that counts have changed."""
    assert telling.since is not None
    user_id = telling.session.user_id
    return any(r.user_id == user_id for r in telling.view.receipts_after(telling.since))


def _add(told: ToldRooms, telling: Telling, part: bytes) -> None:
    room = telling.room
    told.parts.append(b"%s:{%s}" % (encode(room.room_id), part))
    told.rooms[room.room_nid] = room
    if telling.is_initial:
        told.initial.add(room.room_nid)
