"""Following the devices of other servers' users.

Server-server API, "Device Management". A list is fetched when it is first asked for, and follows
the changes that the user's server tells of. When one is missing the list is fetched anew, again and
again if need be, and not relied on until then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final

import structlog
from twisted.internet.defer import Deferred

from federation.device_keys.device_list_json import MAX_STREAM_ID, parse_device_list
from federation.device_keys.remote_servers import RemoteServers
from federation.transport.errors import FederationError
from federation.transport.request_paths import federation_path
from federation.transport.single_flight import SingleFlight
from homeserver.domain.errors import MatrixError
from homeserver.domain.identifiers import DeviceId, UserId, server_name_of
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull, Transaction
from homeserver.ports.federation.remote_device_lists import (
    RemoteDevice,
    RemoteDeviceList,
    RemoteDeviceListStore,
)
from homeserver.services.encryption.device_list_changes import DeviceListChanges

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 3_600.0
MOST_RETRIED: Final = 10_000
"""How many lists are fetched again on our own account; others when somebody asks for them."""

MOST_FETCHES: Final = 3
"""How often a list is fetched in a row that changes all the time."""

MAX_LIST_BYTES: Final = 10_485_760

log = structlog.get_logger(__name__)


class RemoteDeviceLists:
    """The lists of devices of other servers' users that a user of this one sees."""

    def __init__(
        self,
        client: RemoteServers,
        store: RemoteDeviceListStore,
        changes: DeviceListChanges,
        clock: Clock,
    ) -> None:
        self._client = client
        self._store = store
        self._changes = changes
        self._clock = clock
        self._fetches: SingleFlight[UserId, RemoteDeviceList] = SingleFlight()
        self._retried: dict[UserId, float] = {}
        # The last change of each list that came while the list is being fetched.
        self._told: dict[UserId, int] = {}

    # --- asking

    async def valid(self, user_ids: Collection[UserId]) -> dict[UserId, RemoteDeviceList]:
        """The lists of those users whose changes this server is told, and that lack none."""
        return await self._store.valid(await self._store.seen(user_ids))

    async def seen(self, user_ids: Collection[UserId]) -> set[UserId]:
        """Those users whose server tells this one of changes, as they share a room with a user of
        it."""
        return await self._store.seen(user_ids)

    async def fetch(self, user_id: UserId) -> RemoteDeviceList:
        """The list of a user who is seen, from their server, as it is stored from then on.

        Raises FederationError, and MatrixError when the answer is of no use.
        """
        return await self._fetches.run(user_id, lambda: self._fetch(user_id))

    async def _fetch(self, user_id: UserId) -> RemoteDeviceList:
        path = federation_path("user", "devices", user_id)
        for _ in range(MOST_FETCHES):
            self._told[user_id] = 0
            try:
                answer = await self._client.get_json(
                    server_name_of(user_id), path, max_bytes=MAX_LIST_BYTES
                )
                fetched = parse_device_list(user_id, answer)
                known = (await self._store.valid([user_id])).get(user_id)
                if known != fetched:
                    await self._tell(user_id, partial(self._replace, user_id, fetched))
            finally:
                told = self._told.pop(user_id)
            if told <= fetched.stream_id:
                break
            # Changes came while the answer was on its way, which does not have them.
        self._retried.pop(user_id, None)
        return fetched

    def _replace(self, user_id: UserId, fetched: RemoteDeviceList, tx: Transaction) -> None:
        self._store.replace(tx, user_id, fetched)

    def _note_told(self, user_id: UserId, stream_id: int) -> None:
        if user_id in self._told:
            self._told[user_id] = max(self._told[user_id], stream_id)

    # --- being told

    async def changed(
        self,
        user_id: UserId,
        stream_id: int,
        previous: Collection[int],
        changed: RemoteDevice | None,
        deleted: DeviceId | None,
    ) -> None:
        """A device was changed or deleted; ``previous`` are the changes that this one follows."""
        self._note_told(user_id, stream_id)
        if not await self._store.seen([user_id]):
            return
        standing = await self._store.standing(user_id)
        if standing is None:
            # Nobody has asked for the list yet, or only for some keys.
            await self._tell(user_id, _nothing)
        elif standing.is_valid and stream_id <= standing.stream_id:
            return
        elif standing.is_valid and max(previous, default=0) <= standing.stream_id:
            await self._tell(
                user_id,
                lambda tx: self._store.advance(tx, user_id, stream_id, changed, deleted),
            )
        else:
            await self._lost_track(user_id)

    async def cross_signing_changed(self, user_id: UserId, keys: Mapping[str, bytes]) -> None:
        """A user has other cross-signing keys, by usage."""
        self._note_told(user_id, MAX_STREAM_ID)
        if await self._store.seen([user_id]):
            await self._tell(user_id, lambda tx: self._store.put_cross_signing(tx, user_id, keys))

    async def _lost_track(self, user_id: UserId) -> None:
        await self._tell(user_id, lambda tx: self._store.invalidate(tx, user_id))
        if user_id not in self._retried and len(self._retried) < MOST_RETRIED:
            self._retried[user_id] = FIRST_PAUSE_SECONDS
            self._fetch_again(user_id)

    async def unseen(self, user_ids: Collection[UserId]) -> None:
        """Users may have left the last room in which a user of this server is: nobody tells of
        their changes any more."""
        await self._store.forget_unseen(user_ids)

    async def _tell(self, user_id: UserId, work: Callable[[Transaction], None]) -> None:
        def change(tx: Transaction, position: int) -> None:
            work(tx)

        await self._changes.write(user_id, change)

    # --- fetching again

    def _fetch_again(self, user_id: UserId) -> None:
        Deferred.fromCoroutine(self._try_again(user_id)).addErrback(
            lambda failure: log.error("device_list_not_fetched", exc_info=failure.value)
        )

    async def _try_again(self, user_id: UserId) -> None:
        try:
            if not await self._store.seen([user_id]):
                self._retried.pop(user_id, None)
                return
            await self.fetch(user_id)
        except (FederationError, MatrixError, DatabaseDown, DatabaseFull) as error:
            pause = self._retried.get(user_id)
            if pause is None:
                return
            log.info("device_list_not_fetched", user_id=user_id, error=str(error), again_in=pause)
            self._retried[user_id] = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._clock.call_later(pause, self._fetch_again, user_id)


def _nothing(tx: Any) -> None:
    """There is no list to change."""
