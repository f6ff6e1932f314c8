"""/keys/changes. Client-server API, "Tracking the device list for a user"."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.log.log import Log
from homeserver.log.tokens import SyncToken
from homeserver.sync.device_lists import DeviceLists
from homeserver.sync.sessions import Sessions


class KeyChanges:
    """Tells a client that was away whose keys changed meanwhile."""

    def __init__(self, lists: DeviceLists, sessions: Sessions, log: Log) -> None:
        self._lists = lists
        self._sessions = sessions
        self._log = log

    async def between(
        self, user_id: UserId, since: str, until: str
    ) -> tuple[set[UserId], set[UserId]]:
        """The users whose keys changed, or who came, since a sync token, and those who share no
        room with the user any more.

        What happened after ``until`` is told, too: it is a hint. Raises InvalidParam for what is
        no token.
        """
        start = SyncToken.parse(since, self._log.shards)
        SyncToken.parse(until, self._log.shards)
        session = await self._sessions.of(user_id)
        newest = SyncToken(tuple(self._log.published))
        return await self._lists.since(session, None, start, newest)
