"""The rooms that the rules of a connection choose, kept current from what touches the user.

MSC4186, "Lists and subscriptions".
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from itertools import count
from weakref import ref

import attrs

from homeserver.domain.identifiers import RoomId
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.room_activity import RoomActivityStore, RoomKind
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import RoomView
from homeserver.sync.session import Session
from homeserver.sync.sliding.activity import Activities, Activity
from homeserver.sync.sliding.list_filters import ListFilter, RoomTraits
from homeserver.sync.sliding.lists import OrderedRooms, SlidingList
from homeserver.sync.sliding.personal_traits import PersonalTraits, PersonalTraitsReader
from homeserver.sync.sliding.requests import Rules
from homeserver.sync.sliding.room_configs import RoomConfig, combined

ENCRYPTION = ("m.room.encryption", "")
CHILD = "m.space.child"

_versions = count(1)


class ChosenRooms:
    """What the rules of one connection choose.

    ``version`` is another one whenever rooms may have come into the ranges of a list in which
    nothing happened.
    """

    def __init__(self, session: Session, rules: Rules) -> None:
        self._session = ref(session)
        self.rules = rules
        self.version = next(_versions)
        self.seen: SyncToken | None = None
        self.personal_version = 0
        self.unwelcome = (session.ignored, session.blocks_invites)
        self.by_filter: dict[ListFilter, OrderedRooms] = {}
        self.subscribed: dict[int, RoomConfig] = {}
        self.children: dict[ListFilter, frozenset[RoomId]] = {}
        self.spaces: frozenset[int] = frozenset()
        """The spaces whose children are looked at."""
        self._windows: dict[str, Collection[int]] | None = None

    def is_of(self, session: Session) -> bool:
        """Whether it was followed along this session."""
        return self._session() is session

    def windows(self) -> dict[str, Collection[int]]:
        """By list: the rooms in its ranges."""
        if self._windows is None:
            self._windows = {
                key: self.by_filter[wanted.filter].within(wanted.ranges)
                for key, wanted in self.rules.lists.items()
            }
        return self._windows

    def counts(self) -> dict[str, int]:
        """By list: how many rooms match its filter."""
        return {key: len(self.by_filter[w.filter]) for key, w in self.rules.lists.items()}

    def lists_of(self, nid: int) -> list[str]:
        """The lists in whose ranges a room is."""
        return [key for key, window in self.windows().items() if nid in window]

    def config_of(self, nid: int) -> RoomConfig | None:
        """How much of a room is to be told; None when no rule matches it."""
        lists = self.rules.lists
        configs = [lists[key].config for key in self.lists_of(nid)]
        if nid in self.subscribed:
            configs.append(self.subscribed[nid])
        return combined(tuple(configs)) if configs else None

    def all(self) -> set[int]:
        """Every room that some rule matches."""
        return set(self.subscribed).union(*self.windows().values())

    def moved(self, *, shifts: bool) -> None:
        """Something changed in a list; with ``shifts`` others may have come into its ranges."""
        self._windows = None
        if shifts:
            self.version = next(_versions)


@attrs.frozen(slots=True)
class Look:
    """What a look at a user's rooms goes by; ``sent`` are those that the connection was sent."""

    session: Session
    activity: Activity
    personal: PersonalTraits
    sent: Container[int]


class RoomChooser:
    """Keeps what connections choose current."""

    def __init__(
        self,
        directory: RoomDirectory,
        store: RoomActivityStore,
        activities: Activities,
        personal: PersonalTraitsReader,
    ) -> None:
        self._directory = directory
        self._store = store
        self._activities = activities
        self._personal = personal

    async def personal(self, session: Session) -> PersonalTraits:
        """What the user of a session keeps about rooms."""
        return await self._personal.of(session)

    async def choose(
        self,
        known: ChosenRooms | None,
        session: Session,
        rules: Rules,
        sent: Container[int],
        until: SyncToken,
    ) -> ChosenRooms:
        """What the rules choose at a token; ``known`` is what they chose before."""
        personal = await self._personal.of(session)
        activity = await self._activities.of(session, until)
        look = Look(session, activity, personal, sent)
        if known is None or not known.is_of(session) or known.seen is None:
            return await self._begin(look, rules, until)
        touched = session.rooms_after(known.seen, until)
        if known.rules is not rules or _is_outdated(known, look, touched):
            return await self._begin(look, rules, until)
        await self._follow(known, look, touched)
        known.seen = until
        return known

    async def _begin(self, look: Look, rules: Rules, until: SyncToken) -> ChosenRooms:
        session = look.session
        chosen = ChosenRooms(session, rules)
        chosen.seen = until
        chosen.personal_version = look.personal.version
        filters = {wanted.filter for wanted in rules.lists.values()}
        await self._read_spaces(chosen, session, filters)
        rooms = [r for r in session.rooms.values() if is_listed(r, look)]
        kinds = await self._kinds(rooms) if any(f.regards_state for f in filters) else {}
        traits = {r.room_nid: _traits(r, kinds.get(r.room_nid), look.personal) for r in rooms}
        for definition in filters:
            children = chosen.children.get(definition, frozenset())
            chosen.by_filter[definition] = OrderedRooms(
                (look.activity.stamp(nid), nid)
                for nid, room in traits.items()
                if definition.matches(room, children)
            )
        if rules.subscriptions:
            for room in session.rooms.values():
                self._subscribe(chosen, room, look)
        return chosen

    async def _follow(self, chosen: ChosenRooms, look: Look, touched: list[int]) -> None:
        stamp = look.activity.stamp
        rooms = [
            room
            for nid in sorted(touched, key=stamp)
            if (room := look.session.rooms.get(nid)) is not None
        ]
        if not rooms:
            return
        kinds = {}
        if any(f.regards_state for f in chosen.by_filter):
            kinds = await self._kinds(rooms)
        for room in rooms:
            nid = room.room_nid
            if chosen.rules.subscriptions:
                self._subscribe(chosen, room, look)
            traits = _traits(room, kinds.get(nid), look.personal)
            for definition, ordered in chosen.by_filter.items():
                children = chosen.children.get(definition, frozenset())
                if is_listed(room, look) and definition.matches(traits, children):
                    ordered.put(nid, stamp(nid))
                elif ordered.remove(nid):
                    chosen.moved(shifts=True)
        shifts = any(map(_is_shifted_by_moves, chosen.rules.lists.values()))
        chosen.moved(shifts=shifts)

    def _subscribe(self, chosen: ChosenRooms, room: UserRoom, look: Look) -> None:
        config = chosen.rules.subscriptions.get(room.room_id)
        if config is not None and may_be_subscribed(room, look):
            chosen.subscribed[room.room_nid] = config
        else:
            chosen.subscribed.pop(room.room_nid, None)

    async def _read_spaces(
        self, chosen: ChosenRooms, session: Session, filters: Iterable[ListFilter]
    ) -> None:
        wanted = {space for f in filters for space in f.spaces or ()}
        if not wanted:
            return
        spaces = {
            room.room_id: room.room_nid
            for room in session.rooms.values()
            if room.room_id in wanted and room.membership == "join"
        }
        actors = await self._directory.load(spaces.values())
        children = {space: _children(actors[nid].view) for space, nid in spaces.items()}
        for definition in filters:
            if definition.spaces is not None:
                found = (children.get(RoomId(s), frozenset()) for s in definition.spaces)
                chosen.children[definition] = frozenset().union(*found)
        chosen.spaces = frozenset(spaces.values())

    async def _kinds(self, rooms: Iterable[UserRoom]) -> dict[int, RoomKind]:
        """Of what kind some rooms are; those not in memory are read in one query."""
        found, missing = {}, []
        for room in rooms:
            actor = self._directory.loaded(room.room_nid)
            if actor is not None:
                found[room.room_nid] = _kind(actor.view)
            else:
                missing.append(room.room_nid)
        if missing:
            found.update((kind.room_nid, kind) for kind in await self._store.kinds(missing))
        return found


def is_listed(room: UserRoom, look: Look) -> bool:
    """Whether a room is in the sequence that lists are made of."""
    if room.forgotten:
        return False
    match room.membership:
        case "join" | "knock":
            return True
        case "invite":
            return not look.session.hides_invite(room)
    is_put_out = room.membership == "ban" or room.sender != look.session.user_id
    return room.room_nid in look.sent or (is_put_out and room.joined_position > 0)


def may_be_subscribed(room: UserRoom, look: Look) -> bool:
    """Whether a user may be told of a room by its ID: whoever is or was in it, or may join it."""
    if room.forgotten:
        return False
    return is_listed(room, look) or room.joined_position > 0


def _is_outdated(known: ChosenRooms, look: Look, touched: list[int]) -> bool:
    """Whether so much has changed that the rooms are looked at anew."""
    if known.personal_version != look.personal.version:
        if any(f.regards_personal_data for f in known.by_filter):
            return True
        known.personal_version = look.personal.version
    if known.unwelcome != (look.session.ignored, look.session.blocks_invites):
        return True
    if not known.children:
        return False
    wanted = {space for f in known.children for space in f.spaces or ()}
    rooms = look.session.rooms
    return any(nid in known.spaces or rooms[nid].room_id in wanted for nid in touched)


def _is_shifted_by_moves(wanted: SlidingList) -> bool:
    """Whether rooms come into the ranges of a list when another moves to its front."""
    return any(start > 0 for start, _ in wanted.ranges or ())


def _traits(room: UserRoom, kind: RoomKind | None, personal: PersonalTraits) -> RoomTraits:
    return RoomTraits(
        room_id=room.room_id,
        membership=room.membership,
        room_type=kind.room_type if kind is not None else None,
        is_encrypted=kind is not None and kind.is_encrypted,
        is_dm=room.room_id in personal.direct,
        tags=personal.tags(room.room_id),
    )


def _kind(view: RoomView) -> RoomKind:
    room_type = view.content("m.room.create").get("type")
    return RoomKind(
        view.nid, room_type if isinstance(room_type, str) else None, ENCRYPTION in view.state
    )


def _children(space: RoomView) -> frozenset[RoomId]:
    return frozenset(
        RoomId(state_key)
        for (type, state_key), stored in space.state.items()
        if type == CHILD and isinstance(stored.event.content.get("via"), list)
    )
