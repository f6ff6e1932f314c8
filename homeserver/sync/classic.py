"""/v3/sync. Client-server API, "Syncing".

A waiting sync registers on the session before it reads, so no wake-up is lost. What it answers is
assembled from the cores of the rooms that were touched after its token, spliced as bytes.
"""

from __future__ import annotations

from collections import defaultdict

from twisted.internet.defer import CancelledError

from homeserver.domain.identifiers import RoomId
from homeserver.log.log import Log
from homeserver.log.tokens import SyncToken
from homeserver.ports.clock import Clock
from homeserver.ports.personal.account_data import AccountDataRow
from homeserver.sync.device_updates import DeviceUpdates
from homeserver.sync.future_tokens import reach
from homeserver.sync.personal_data import PersonalData
from homeserver.sync.room_sections import RoomSections
from homeserver.sync.rounds import Round, SyncRequest
from homeserver.sync.session import Session
from homeserver.sync.sessions import Sessions


class ClassicSync:
    """Answers /v3/sync."""

    def __init__(
        self,
        log: Log,
        sessions: Sessions,
        rooms: RoomSections,
        personal: PersonalData,
        devices: DeviceUpdates,
        clock: Clock,
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._rooms = rooms
        self._personal = personal
        self._devices = devices
        self._clock = clock
        self.waiting = 0
        self.stopping = False

    async def sync(self, request: SyncRequest) -> bytes:
        """The JSON of the answer; waits up to the timeout for something to tell.

        Raises InvalidParam for a token that is not one.
        """
        since = (
            SyncToken.parse(request.since, self._log.shards) if request.since is not None else None
        )
        session = await self._sessions.of(request.user_id)
        device = session.device(request.device_id)
        if since is None:
            device.begin_again()
        else:
            device.acknowledge(since)
            self._devices.acknowledge(session, request.device_id, since)
            await reach(self._log, self._clock, since, lambda: self.stopping)
        if since is None or request.full_state:
            until = self._published()
            return (await self._build(Round(session, device, request, since, until)))[0]
        deadline = self._clock.monotonic() + request.timeout_ms / 1000
        while True:
            waiter = session.wait()
            if session.has_news(since) or self._devices.has_news(session, request.device_id, since):
                session.stop_waiting(waiter)
                now = Round(session, device, request, since, self._published())
                answer, is_empty = await self._build(now)
                if not is_empty:
                    return answer
                since = now.until
                continue
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0 or self.stopping:
                session.stop_waiting(waiter)
                return self._nothing(session, request, since)
            timer = self._clock.call_later(remaining, session.wake)
            self.waiting += 1
            try:
                await waiter
            except CancelledError:
                session.stop_waiting(waiter)
                raise
            finally:
                self.waiting -= 1
                timer.cancel()
                session.used = self._clock.monotonic()

    def stop(self) -> None:
        """Answer every waiting sync with nothing, as the server is about to stop."""
        self.stopping = True
        self._sessions.clear_waiting()

    def _published(self) -> SyncToken:
        return SyncToken(tuple(self._log.published))

    def _nothing(self, session: Session, request: SyncRequest, since: SyncToken) -> bytes:
        published = tuple(self._log.published)
        if since.positions != published:
            # Positions that concerned others are passed over, so that the token keeps up.
            since = SyncToken(tuple(map(max, since.positions, published)))
        parts = [b'"next_batch":"%s"' % str(since).encode()]
        parts += self._devices.standing(session, request.device_id)
        return b"{%s}" % b",".join(parts)

    async def _build(self, now: Round) -> tuple[bytes, bool]:
        """The answer, and whether it tells nothing."""
        if now.session.ignored_outdated:
            await self._sessions.refresh_ignored(now.session)
        data = await self._personal.changes(now)
        by_room: dict[RoomId, list[AccountDataRow]] = defaultdict(list)
        for row in data:
            if row.room_id is not None:
                by_room[row.room_id].append(row)
        parts = [b'"next_batch":"%s"' % str(now.until).encode()]
        sections = await self._rooms.sections(now, by_room)
        if sections:
            parts.append(b'"rooms":{%s}' % b",".join(sections))
        events = self._personal.account_data(now, data)
        if events:
            parts.append(b'"account_data":{"events":[%s]}' % b",".join(events))
        presence = self._personal.presence(now)
        if presence:
            parts.append(b'"presence":{"events":[%s]}' % b",".join(presence))
        device_id = now.request.device_id
        device = await self._devices.parts(now.session, device_id, now.since, now.until)
        tells_nothing = len(parts) == 1 and not (
            now.since is None or self._devices.tells_news(now.session, device_id, now.since, device)
        )
        return b"{%s}" % b",".join([*parts, *device]), tells_nothing
