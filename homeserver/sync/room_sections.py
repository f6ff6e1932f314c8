"""The rooms of an answer, in their sections: joined, invited, knocked and left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from homeserver.domain.identifiers import RoomId
from homeserver.ports.personal.account_data import AccountDataRow
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import encode
from homeserver.rooms.view import RoomView
from homeserver.sync.cores import RoomCores
from homeserver.sync.personal_data import PersonalData, data_events
from homeserver.sync.room_summary import room_summary
from homeserver.sync.rounds import Round
from homeserver.sync.stripped_state import stripped_members, stripped_state
from homeserver.sync.unread_section import UnreadSection
from homeserver.sync.windows import Core, SyncOptions, Window

_DataOfRooms = Mapping[RoomId, list[AccountDataRow]]


@attrs.frozen(slots=True)
class _Told:
    """A room that an answer tells of. ``data`` is what the user keeps for it and is to be told."""

    now: Round
    room: UserRoom
    view: RoomView
    options: SyncOptions
    data: list[AccountDataRow]

    def wanted_data(self) -> list[AccountDataRow]:
        """What the filter leaves of the account data."""
        wanted = self.options.filter.room.account_data
        if not self.data or not wanted.matches_room(self.room.room_id):
            return []
        return [row for row in self.data if wanted.matches(row.type, None)]


@attrs.frozen(slots=True)
class _Prepared:
    """By room: the cores of those that are told from scratch, and the windows of the others."""

    whole: dict[int, Core]
    changed: dict[int, Window]


class RoomSections:
    """Assembles what an answer says about rooms."""

    def __init__(
        self,
        directory: RoomDirectory,
        cores: RoomCores,
        unread: UnreadSection,
        personal: PersonalData,
    ) -> None:
        self._directory = directory
        self._cores = cores
        self._unread = unread
        self._personal = personal

    async def sections(self, now: Round, data: _DataOfRooms) -> list[bytes]:
        """The sections that have something in them, as members of the JSON object ``rooms``."""
        await self._unread.load_rules(now.session)
        rooms = self._rooms(now, data)
        if not rooms:
            return []
        options = now.options
        views = await self._views(rooms)
        prepared = await self._prepare(now, rooms, views, options)
        data = await self._with_data_of_new_rooms(now, rooms, data)
        entries: dict[str, list[bytes]] = {}
        for room in rooms:
            name, part = await self._entry(
                _Told(now, room, views[room.room_nid], options, data.get(room.room_id, [])),
                prepared,
            )
            if part is not None:
                entries.setdefault(name, []).append(b'"%s":{%s}' % (room.room_id.encode(), part))
        return [b'"%s":{%s}' % (name.encode(), b",".join(parts)) for name, parts in entries.items()]

    async def _entry(self, told: _Told, prepared: _Prepared) -> tuple[str, bytes | None]:
        """The section that a room belongs to, and what is to be told of it, if anything."""
        match told.room.membership:
            case "join":
                return "join", await self._joined(told, prepared)
            case "invite":
                if told.now.session.hides_invite(told.room):
                    return "invite", None
                return "invite", await self._stripped("invite_state", told)
            case "knock":
                return "knock", await self._stripped("knock_state", told)
            case _:
                return "leave", await self._left(told)

    def _rooms(self, now: Round, data: _DataOfRooms) -> list[UserRoom]:
        """The rooms that an answer may have to mention."""
        session, since, until = now.session, now.since, now.until
        definition = now.request.filter.room
        if since is None or now.request.full_state:
            return [
                room
                for room in session.rooms.values()
                if not room.forgotten
                and room.position <= until.positions[room.shard]
                and (
                    room.membership in ("join", "invite", "knock")
                    or definition.include_leave
                    or (since is not None and room.position > since.positions[room.shard])
                )
                and definition.matches_room(room.room_id)
            ]
        nids = session.rooms_after(since, until)
        found = [
            room
            for nid in nids
            if (room := session.rooms.get(nid)) is not None
            and (room.membership == "join" or room.position > since.positions[room.shard])
        ]
        if data:
            there = {room.room_nid for room in found}
            found += [
                room
                for room in session.rooms.values()
                if room.room_id in data and room.room_nid not in there and room.membership == "join"
            ]
        if definition.is_pass_all:
            return found
        return [room for room in found if definition.matches_room(room.room_id)]

    async def _views(self, rooms: Sequence[UserRoom]) -> dict[int, RoomView]:
        """The rooms of an answer, by number; those not in memory are loaded in bulk."""
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

    async def _prepare(
        self,
        now: Round,
        rooms: Sequence[UserRoom],
        views: Mapping[int, RoomView],
        options: SyncOptions,
    ) -> _Prepared:
        """Bring what counting takes into memory, and look up what many rooms need, in bulk."""
        await self._directory.events.fetch(
            nid
            for room in rooms
            if room.membership in ("invite", "knock")
            for nid in stripped_members(views[room.room_nid], now.session.user_id, room.sender)
        )
        joined = [(views[room.room_nid], room) for room in rooms if room.membership == "join"]
        await self._unread.prepare(now.session, joined, threads=options.unread_threads)
        whole, changed = [], []
        for view, room in joined:
            is_new, until = now.is_new(room), now.until.positions[room.shard]
            if is_new or now.request.full_state:
                window = now.window(None, until, options)
                known_until = None if is_new else now.since_in(room)
                whole.append((view, attrs.evolve(window, known_until=known_until)))
            else:
                changed.append((view, now.window(now.since_in(room), until, options)))
        cores = await self._cores.whole.cores(whole) if whole else []
        return _Prepared(
            {view.nid: core for (view, _), core in zip(whole, cores, strict=True)},
            await self._cores.changes.knowing_relations(changed),
        )

    async def _with_data_of_new_rooms(
        self, now: Round, rooms: Sequence[UserRoom], data: _DataOfRooms
    ) -> _DataOfRooms:
        """Whoever comes into a room is told what they keep for it from before."""
        if now.since is None:
            return data
        new = {room.room_id for room in rooms if room.membership == "join" and now.is_new(room)}
        if not new:
            return data
        return {**data, **await self._personal.of_rooms(now.session.user_id, new)}

    async def _joined(self, told: _Told, prepared: _Prepared) -> bytes | None:
        now, room, view, options = told.now, told.room, told.view, told.options
        is_new = now.is_new(room)
        data = told.wanted_data()
        core = prepared.whole.get(view.nid)
        if core is None:
            window = prepared.changed[view.nid]
            core = self._cores.changes.ready(view, window)
            if core is None:
                core = await self._cores.changes.since(view, window)
            if core.is_empty and not data and not _has_read(view, window):
                return None
        if is_new:
            now.device.forget(view.nid)
        if core.members:
            now.device.send(now.until, view.nid, core.members)
        parts = [
            core.body,
            await self._unread.part(now.session, view, room, threads=options.unread_threads),
            _account_data(data_events(data, initial=is_new)),
        ]
        if core.summary_changed:
            summary = room_summary(view, now.session.user_id)
            parts.append(b'"summary":' + encode(summary))
        return b",".join(parts)

    async def _stripped(self, name: str, told: _Told) -> bytes:
        events = await stripped_state(
            told.view, self._directory.events, told.now.session.user_id, told.room.sender
        )
        return b'"%s":{"events":[%s]}' % (name.encode(), b",".join(events))

    async def _left(self, told: _Told) -> bytes:
        now, room = told.now, told.room
        window = now.window(now.since_in(room), room.position, told.options)
        core = await self._cores.left(told.view, room, window)
        events = data_events(told.wanted_data(), initial=now.since is None)
        return b"%s,%s" % (core.body, _account_data(events))


def _account_data(events: list[bytes]) -> bytes:
    return b'"account_data":{"events":[%s]}' % b",".join(events)


def _has_read(view: RoomView, window: Window) -> bool:
    """Whether the user moved a receipt in a room, so that counts have changed."""
    assert window.since is not None
    user_id = window.session.user_id
    return any(receipt.user_id == user_id for receipt in view.receipts_after(window.since))
