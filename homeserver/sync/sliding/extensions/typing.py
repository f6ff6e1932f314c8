"""The extension ``typing``: who types in which room. MSC4508."""

from __future__ import annotations

from typing import Final

from homeserver.domain.identifiers import DeviceId
from homeserver.log.tokens import SyncToken
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import encode
from homeserver.sync.ephemeral import typing_event
from homeserver.sync.session import Session
from homeserver.sync.sliding.extensions.scope import ScopeMemory, touched_after
from homeserver.sync.sliding.requests import ExtensionConfig
from homeserver.sync.sliding.rounds import SlidingRound

STABLE: Final = "typing"
UNSTABLE: Final = "org.matrix.msc4508.typing"
"""What the proposal has clients of /v4/sync say."""


class TypingExtension:
    """Tells who types in a room when it comes into scope, and whenever that changes."""

    def __init__(self, directory: RoomDirectory, name: str = STABLE) -> None:
        self.name = name
        self._directory = directory
        self._memory = ScopeMemory()

    def has_news(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> bool:
        """Whether somebody began or stopped typing in one of the user's rooms."""
        for nid in touched_after(session, since):
            actor = self._directory.loaded(nid)
            if actor is None or actor.view.typing_position > since.positions[actor.view.shard]:
                return True
        return False

    async def part(self, now: SlidingRound, config: ExtensionConfig) -> bytes | None:
        """``rooms``: the event of each room."""
        session = now.session
        rooms = self._memory.look(now, config).joined(session)
        told = []
        for nid, actor in (await self._directory.load(rooms)).items():
            view, since = actor.view, rooms[nid]
            is_back = nid in now.returned or since is None
            if (since is not None and view.typing_position > since) or (is_back and view.typing):
                event = typing_event(view, session.ignored)
                told.append(b"%s:%s" % (encode(view.room_id), event))
        return b'{"rooms":{%s}}' % b",".join(told) if told else None

    def standing(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        until: SyncToken,
    ) -> bytes | None:
        """Nothing."""
        return None

    def acknowledge(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> None:
        """Nothing is kept."""
