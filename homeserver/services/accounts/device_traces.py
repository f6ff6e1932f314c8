"""Removing what is kept for devices, when they or their users are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.log.log import Log
from homeserver.ports.accounts.device_traces import DeviceTraceStore
from homeserver.ports.database import Transaction
from homeserver.services.encryption.device_list_changes import DeviceListChanges


class DeviceTraces:
    """Follows devices and accounts.

    See :class:`homeserver.ports.accounts.accounts.AccountEvents`.
    """

    def __init__(self, store: DeviceTraceStore, changes: DeviceListChanges, log: Log) -> None:
        self._store = store
        self._changes = changes
        self._log = log

    async def device_changed(self, user_id: UserId, device_id: DeviceId) -> None:
        """A device has another name, which is shown with its keys."""
        if await self._log.read(self._store.has_keys, user_id, [device_id]):
            await self._changes.write(user_id, _nothing)

    async def device_deleted(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """Devices are gone: so are their keys and the messages for them."""

        def work(tx: Transaction, position: int = 0) -> None:
            self._store.forget_devices(tx, user_id, device_ids)

        if await self._log.read(self._store.has_keys, user_id, device_ids):
            await self._changes.write(user_id, work)
        else:
            await self._log.write(work)

    async def user_deactivated(self, user_id: UserId) -> None:
        """An account was closed: nobody signs or backs up for it any more."""
        await self._changes.write(
            user_id, lambda tx, position: self._store.forget_user(tx, user_id)
        )

    async def resume(self) -> None:
        """Remove what devices left behind whose deletion was interrupted."""
        by_user: dict[UserId, list[DeviceId]] = defaultdict(list)
        for user_id, device_id in await self._store.orphans():
            by_user[user_id].append(device_id)
        for user_id, device_ids in by_user.items():
            await self.device_deleted(user_id, device_ids)


def _nothing(tx: Transaction, position: int) -> None:
    """The name was stored before."""
