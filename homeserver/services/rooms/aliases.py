"""Aliases: names of rooms on this server, and finding rooms by their names on any.

Client-server API, "Room aliases".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from twisted.internet.defer import Deferred

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import (
    AliasExists,
    Forbidden,
    InvalidParam,
    MatrixError,
    NotFound,
    RoomInUse,
)
from homeserver.domain.identifiers import (
    RoomAlias,
    RoomId,
    ServerName,
    UserId,
    parse_room_alias,
    parse_room_id,
    server_name_of,
)
from homeserver.domain.requester import Requester
from homeserver.domain.visibility import may_peek_at_event, parse_history_visibility
from homeserver.ports.clock import Clock
from homeserver.ports.database import UniqueViolation
from homeserver.ports.federation.remote_aliases import FoundRoom, NoRemoteAliases, RemoteAliases
from homeserver.ports.rooms.aliases import AliasRow, AliasStore, NewAlias
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.services.rooms.acting_in_rooms import room_to_act_in, set_state

CANONICAL_ALIAS = "m.room.canonical_alias"

MOST_SERVERS: Final = 50
"""How many servers are named to join a room by."""


class Aliases:
    """Makes and removes the aliases of this server, and finds the rooms of all."""

    def __init__(
        self,
        store: AliasStore,
        directory: RoomDirectory,
        clock: Clock,
        server_name: ServerName,
        remote: RemoteAliases | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._server_name = server_name
        self._remote = remote or NoRemoteAliases()
        self._claimed: set[RoomAlias] = set()

    async def room_of(self, room_id_or_alias: str) -> RoomId:
        """The room that an ID or an alias names. Raises InvalidParam, and as ``find``."""
        return (await self.located(room_id_or_alias)).room_id

    async def located(self, room_id_or_alias: str) -> FoundRoom:
        """The room that an ID or an alias names, and for an alias the servers to join it by.

        Raises InvalidParam, and as ``find``.
        """
        if room_id_or_alias.startswith("#"):
            return await self.find(parse_room_alias(room_id_or_alias))
        return FoundRoom(parse_room_id(room_id_or_alias))

    async def resolve(self, alias: RoomAlias) -> RoomId:
        """The room that an alias points to. Raises as ``find``."""
        return (await self.find(alias)).room_id

    async def find(self, alias: RoomAlias) -> FoundRoom:
        """The room that an alias points to, and the servers to join it by.

        Raises NotFound; for the alias of another server also Forbidden, and UnableToRetrieve when
        that server does not answer.
        """
        if server_name_of(alias) != self._server_name:
            return await self._remote.find(alias)
        return await self.find_local(alias)

    async def find_local(self, alias: RoomAlias) -> FoundRoom:
        """As ``find``, for what other servers ask: only aliases of this one."""
        row = await self._find(alias)
        room = (await self._directory.by_nid(row.room_nid)).view
        others = [server for server in room.joined_servers if server != self._server_name]
        return FoundRoom(row.room_id, (self._server_name, *others[: MOST_SERVERS - 1]))

    async def resolve_all(self, aliases: Sequence[RoomAlias]) -> dict[RoomAlias, RoomId]:
        """The rooms of those aliases that point to one, as far as their servers answer."""
        here = [alias for alias in aliases if server_name_of(alias) == self._server_name]
        rooms = {row.alias: row.room_id for row in await self._store.find(here)}
        asking = [
            Deferred.fromCoroutine(self._resolve_remote(alias))
            for alias in aliases
            if alias not in here
        ]
        for found in asking:
            rooms.update(await found)
        return rooms

    async def _resolve_remote(self, alias: RoomAlias) -> dict[RoomAlias, RoomId]:
        try:
            return {alias: (await self._remote.find(alias)).room_id}
        except MatrixError:
            return {}

    async def of_room(self, room_nid: int) -> list[RoomAlias]:
        """The aliases of a room."""
        return await self._store.of_room(room_nid)

    async def listed(self, user_id: UserId, room_id: RoomId) -> list[RoomAlias]:
        """The aliases of a room that a user is in or may peek into. Raises Forbidden."""
        view = (await room_to_act_in(self._directory, room_id)).view
        visibility = parse_history_visibility(view.content("m.room.history_visibility"))
        if not view.is_joined(user_id) and not may_peek_at_event(visibility):
            raise Forbidden("You are not in this room")
        return await self._store.of_room(view.nid)

    async def add(self, requester: Requester, alias: RoomAlias, room_id: RoomId) -> None:
        """Let a new alias of this server point to a room the requester is in.

        Raises InvalidParam, Forbidden and AliasExists.
        """
        if server_name_of(alias) != self._server_name:
            raise InvalidParam("The alias must be one of this server")
        actor = await room_to_act_in(self._directory, room_id)
        if actor.head_membership(requester.user_id) != "join":
            raise Forbidden("You are not in this room")
        if alias in self._claimed or await self._store.find([alias]):
            raise AliasExists(f"Room alias {alias} already exists")
        try:
            await self.put(alias, actor.view.nid, requester.user_id)
        except UniqueViolation:
            raise AliasExists(f"Room alias {alias} already exists") from None

    async def remove(self, requester: Requester, alias: RoomAlias) -> None:
        """Remove an alias, and its mention in the room's state as far as the requester may.

        Whoever made it may, and whoever may set the room's canonical alias. Raises NotFound and
        Forbidden.
        """
        row = await self._find(alias)
        actor = await self._directory.by_nid(row.room_nid)
        if row.creator != requester.user_id and not requester.is_admin:
            require_manager(actor, requester.user_id)
        if not await self._store.remove(alias):
            raise NotFound(f"Room alias {alias} not found")
        await self._remove_from_state(actor, requester.user_id, alias)

    @contextmanager
    def claim(self, alias: RoomAlias) -> Iterator[None]:
        """Keep an alias for a room that is being made. Raises RoomInUse while it is claimed."""
        if alias in self._claimed:
            raise RoomInUse()
        self._claimed.add(alias)
        try:
            yield
        finally:
            self._claimed.discard(alias)

    async def require_free(self, alias: RoomAlias) -> None:
        """Raises RoomInUse for an alias that exists."""
        if await self._store.find([alias]):
            raise RoomInUse(f"Room alias {alias} is already taken")

    async def put(self, alias: RoomAlias, room_nid: int, creator: UserId) -> None:
        """Let a new alias point to a room. Raises UniqueViolation."""
        await self._store.add(NewAlias(alias, room_nid, creator, self._clock.now_ms()))

    async def move(self, from_room_nid: int, to_room_nid: int) -> None:
        """Let all aliases of one room point to another."""
        await self._store.move(from_room_nid, to_room_nid)

    async def _find(self, alias: RoomAlias) -> AliasRow:
        for row in await self._store.find([alias]):
            return row
        raise NotFound(f"Room alias {alias} not found")

    async def _remove_from_state(self, actor: RoomActor, user_id: UserId, alias: RoomAlias) -> None:
        event = actor.head_event((CANONICAL_ALIAS, ""))
        if event is None:
            return
        content = without_aliases(event.event.content, [alias])
        if content == event.event.content:
            return
        try:
            await set_state(
                actor, NewEvent(type=CANONICAL_ALIAS, sender=user_id, content=content, state_key="")
            )
        except Forbidden:
            return  # as the specification recommends: the alias is gone all the same


def without_aliases(content: JsonObject, aliases: Sequence[RoomAlias]) -> JsonObject:
    """The content of `m.room.canonical_alias` without some aliases."""
    kept = dict(content)
    if kept.get("alias") in aliases:
        del kept["alias"]
    alternatives = kept.get("alt_aliases")
    if isinstance(alternatives, list):
        kept["alt_aliases"] = [alias for alias in alternatives if alias not in aliases]
        if not kept["alt_aliases"]:
            del kept["alt_aliases"]
    return kept


def require_manager(actor: RoomActor, user_id: UserId) -> None:
    """Raises Forbidden unless a member of a room may say how it is known to the world, which is
    whoever may set its canonical alias."""
    power_levels = actor.head_power_levels()
    needed = power_levels.event_level(CANONICAL_ALIAS, is_state=True)
    if actor.head_membership(user_id) != "join" or power_levels.user_level(user_id) < needed:
        raise Forbidden("You may not change how this room is known")
