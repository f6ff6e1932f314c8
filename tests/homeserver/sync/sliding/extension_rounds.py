"""An extension by itself: rounds of a connection, as the core would hand them to it.

asking = Asking(TypingExtension(server.directory), bob)
await asking.turn(initial=[room])          # the room comes into the window
assert await asking.turn() is None         # nothing has happened since
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.log.tokens import SyncToken
from homeserver.sync.session import Session
from homeserver.sync.sliding.extensions.extension import Extension
from homeserver.sync.sliding.requests import (
    Asked,
    ExtensionConfig,
    Shape,
    SlidingBody,
    SlidingRequest,
    sliding_request,
)
from homeserver.sync.sliding.rounds import SlidingRound
from tests.homeserver.encryption import ClientDevice
from tests.rooms_fixture import Person
from tests.sync_fixture import SyncServer

LIST = "all"


@attrs.define
class DeviceAsking:
    """A connection of a device with one extension, and without rooms. ``since`` is None while it
    has no position."""

    extension: Extension
    device: ClientDevice
    since: SyncToken | None = None

    async def look(self, **config: Any) -> JsonObject | None:
        """One answer, which is lost: what is new, or what stands in every answer."""
        asked, session, until = await self._asks(config)
        now = SlidingRound(
            session=session,
            device_id=self.device.device_id,
            request=sliding_request(
                Asked(
                    self.device.user_id,
                    self.device.device_id,
                    Shape.STABLE,
                    SlidingBody(),
                    str(self.since) if self.since is not None else None,
                    0,
                )
            ),
            since=self.since,
            until=until,
            told={},
            initial=frozenset(),
            lists={},
            subscribed=(),
            sent=(),
        )
        if self.since is not None:
            self.extension.acknowledge(session, now.device_id, asked, self.since)
        part = await self.extension.part(now, asked)
        return json.loads(part) if part is not None else None

    async def turn(self, **config: Any) -> JsonObject | None:
        """One answer, after which the client comes back."""
        until = SyncToken(tuple(self.device.server.log.published))
        answer = await self.look(**config)
        self.since = until
        return answer

    async def standing(self, **config: Any) -> JsonObject | None:
        """What stands in an answer without news."""
        asked, session, until = await self._asks(config)
        part = self.extension.standing(session, self.device.device_id, asked, until)
        return json.loads(part) if part is not None else None

    async def has_news(self, **config: Any) -> bool:
        asked, session, _ = await self._asks(config)
        assert self.since is not None
        return self.extension.has_news(session, self.device.device_id, asked, self.since)

    async def _asks(self, config: JsonObject) -> tuple[ExtensionConfig, Session, SyncToken]:
        server = self.device.server
        session = await server.sessions.of(self.device.user_id)
        until = SyncToken(tuple(server.log.published))
        return ExtensionConfig(enabled=True, **config), session, until


@attrs.define
class Asking:
    """A connection with one extension. Every room that was told stays in the window until
    `leaves_window`."""

    extension: Extension
    person: Person
    timeline_limit: int = 10
    since: SyncToken | None = None
    turns: int = 0
    window: set[int] = attrs.Factory(set)
    behind: dict[int, int] = attrs.Factory(dict)
    """Rooms outside of the window, with the position up to which they were told."""
    sent: set[int] = attrs.Factory(set)
    subscribed: dict[int, str] = attrs.Factory(dict)

    @property
    def server(self) -> SyncServer:
        assert isinstance(self.person.server, SyncServer)
        return self.person.server

    async def session(self) -> Session:
        return await self.server.sessions.of(self.person.user_id)

    async def nid(self, room_id: str) -> int:
        return (await self.server.actor(room_id)).view.nid

    async def look(
        self, *, initial: Collection[str] = (), expanded: Collection[str] = (), **config: Any
    ) -> tuple[JsonObject | None, SyncToken]:
        """One answer, which is lost; and the token it ends at."""
        session = await self.session()
        until = SyncToken(tuple(self.server.log.published))
        new = frozenset([await self.nid(room) for room in initial])
        self.window |= new - self.subscribed.keys()
        self.sent |= new
        now = SlidingRound(
            session=session,
            device_id=self.person.requester.device_id,
            request=self._request(),
            since=self.since,
            until=until,
            told={nid: session.rooms[nid] for nid in new},
            initial=new,
            lists={LIST: frozenset(self.window)},
            subscribed=frozenset(self.subscribed),
            sent=frozenset(self.sent),
            expanded=frozenset([await self.nid(room) for room in expanded]),
            returned={nid: at for nid, at in self.behind.items() if nid in self.window},
        )
        part = await self.extension.part(now, ExtensionConfig(enabled=True, **config))
        return (json.loads(part) if part is not None else None), until

    async def turn(
        self, *, initial: Collection[str] = (), expanded: Collection[str] = (), **config: Any
    ) -> JsonObject | None:
        """One answer, after which the client comes back."""
        answer, self.since = await self.look(initial=initial, expanded=expanded, **config)
        self.turns += 1
        self.behind = {nid: at for nid, at in self.behind.items() if nid not in self.window}
        return answer

    async def subscribes(self, room: str) -> None:
        """From now on the room is in the answers because it is subscribed to."""
        nid = await self.nid(room)
        self.window.discard(nid)
        self.subscribed[nid] = room

    async def leaves_window(self, room: str) -> None:
        assert self.since is not None
        view = (await self.server.actor(room)).view
        self.window.discard(view.nid)
        self.behind[view.nid] = self.since.positions[view.shard]

    async def returns(self, room: str) -> None:
        """A room that was sent comes back into the window."""
        self.window.add(await self.nid(room))

    async def has_news(self, **config: Any) -> bool:
        assert self.since is not None
        return self.extension.has_news(
            await self.session(),
            self.person.requester.device_id,
            ExtensionConfig(enabled=True, **config),
            self.since,
        )

    def _request(self) -> SlidingRequest:
        config = {"timeline_limit": self.timeline_limit, "required_state": {}}
        subscriptions = dict.fromkeys(self.subscribed.values(), config)
        body = {"conn_id": "main", "lists": {LIST: config}, "room_subscriptions": subscriptions}
        asked = Asked(
            self.person.user_id,
            self.person.requester.device_id,
            Shape.STABLE,
            msgspec.json.decode(json.dumps(body), type=SlidingBody),
            f"pos{self.turns}" if self.turns else None,
            0,
        )
        return sliding_request(asked)
