"""Forgetting the devices of users whom nobody here shares a room with any more."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from federation.device_keys.remote_device_lists import RemoteDeviceLists
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.log.entries import Entry, EventEntry
from homeserver.ports.rooms.events import EventAppend
from homeserver.rooms.directory import RoomDirectory

log = structlog.get_logger(__name__)


class UnseenUsers:
    """Follows the log for users who leave."""

    def __init__(
        self, own_name: ServerName, directory: RoomDirectory, lists: RemoteDeviceLists
    ) -> None:
        self._own_name = own_name
        self._directory = directory
        self._lists = lists

    def apply(self, entries: Sequence[Entry]) -> None:
        """Look at a batch that was committed. The directory of rooms must have taken it in."""
        gone: set[UserId] = set()
        for entry in entries:
            if isinstance(entry, EventEntry):
                gone.update(self._gone(entry.append))
        if gone:
            Deferred.fromCoroutine(self._lists.unseen(gone)).addErrback(_not_forgotten)

    def _gone(self, append: EventAppend) -> set[UserId]:
        left = [change.user_id for change, _ in append.memberships() if change.membership != "join"]
        if not left:
            return set()
        gone = {user_id for user_id in left if self._is_remote(user_id)}
        actor = self._directory.loaded(append.stored.room_nid)
        if actor is not None and self._own_name not in actor.view.joined_servers:
            # Nobody of this server is there any more, so it is not told of anybody's changes.
            gone.update(filter(self._is_remote, actor.view.joined()))
        return gone

    def _is_remote(self, user_id: UserId) -> bool:
        return server_name_of(user_id) != self._own_name


def _not_forgotten(failure: Failure) -> None:
    log.warning("device_lists_not_forgotten", error=str(failure.value))
