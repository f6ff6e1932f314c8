"""The extension ``receipts``: up to where others, and oneself elsewhere, have read. MSC3960.

Of a room that is told from scratch only receipts are told that stand at events of its timeline, and
one's own: a large room has tens of thousands of them.
"""

from __future__ import annotations

from typing import Final

from homeserver.domain.identifiers import DeviceId
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.rooms import Order
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import encode
from homeserver.rooms.view import NOWHERE, RoomView
from homeserver.sync.ephemeral import receipt_event
from homeserver.sync.session import Session
from homeserver.sync.sliding.extensions.scope import ScopeMemory, touched_after
from homeserver.sync.sliding.requests import ExtensionConfig
from homeserver.sync.sliding.rounds import SlidingRound


class ReceiptsExtension:
    """Tells receipts of the rooms in scope, and whenever they move."""

    name: Final = "receipts"

    def __init__(self, directory: RoomDirectory) -> None:
        self._directory = directory
        self._memory = ScopeMemory()

    def has_news(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> bool:
        """Whether a receipt moved in one of the user's rooms."""
        for nid in touched_after(session, since):
            actor = self._directory.loaded(nid)
            if actor is None or actor.view.receipts_position > since.positions[actor.view.shard]:
                return True
        return False

    async def part(self, now: SlidingRound, config: ExtensionConfig) -> bytes | None:
        """``rooms``: the event of each room."""
        scope = self._memory.look(now, config)
        rooms = scope.joined(now.session)
        expanded = [nid for nid in now.expanded if nid in scope]
        user_id, ignored = now.session.user_id, now.session.ignored
        told = []
        for nid, actor in (await self._directory.load({*rooms, *expanded})).items():
            view, since = actor.view, rooms.get(nid)
            receipts = view.receipts_after(since) if since is not None else []
            if since is None or nid in expanded:
                begins = _timeline_begins(view, now)
                receipts += (
                    receipt
                    for receipt in view.receipts.values()
                    if receipt.user_id == user_id or receipt.read_order >= begins
                )
            event = receipt_event(receipts, user_id, ignored)
            if event is not None:
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


def _timeline_begins(room: RoomView, now: SlidingRound) -> Order:
    """The place at or before which the timeline of a room begins that is told from scratch."""
    limits = [
        asked.config.timeline_limit
        for key, asked in now.request.lists.items()
        if room.nid in now.lists.get(key, ())
    ]
    subscription = now.request.subscriptions.get(room.room_id)
    if subscription is not None:
        limits.append(subscription.timeline_limit)
    limit = max(limits, default=0)
    if not limit:
        return (room.position + 1, 0)
    return room.tail[-limit].order if limit <= len(room.tail) else NOWHERE
