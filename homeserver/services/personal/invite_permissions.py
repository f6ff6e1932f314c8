"""Who wants to be invited. Client-server API, "Invite permission"."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from homeserver.domain.identifiers import UserId
from homeserver.domain.invite_permission import INVITE_PERMISSION, blocks_invites
from homeserver.log.entries import AccountDataEntry, Entry
from homeserver.log.log import Log
from homeserver.ports.personal.account_data import AccountDataStore

CAPACITY: Final = 20_000
"""Of how many users it is remembered."""


class InvitePermissions:
    """See :class:`homeserver.ports.personal.invite_permissions.InvitePermissions`."""

    def __init__(self, store: AccountDataStore, log: Log, capacity: int = CAPACITY) -> None:
        self._store = store
        self._capacity = capacity
        self._blocks: OrderedDict[UserId, bool] = OrderedDict()
        self._changes = 0
        log.subscribe(self._apply)

    async def blocking(self, user_ids: Collection[UserId]) -> list[UserId]:
        """Those who block invites; what is not remembered is read in one query."""
        found = {user_id: self._blocks.get(user_id) for user_id in user_ids}
        missing = [user_id for user_id, blocks in found.items() if blocks is None]
        if missing:
            changes = self._changes
            contents = await self._store.of_users(missing, INVITE_PERMISSION)
            for user_id in missing:
                found[user_id] = user_id in contents and blocks_invites(contents[user_id])
            if changes == self._changes:
                self._remember({user_id: found[user_id] is True for user_id in missing})
        return [user_id for user_id, blocks in found.items() if blocks]

    def _remember(self, found: dict[UserId, bool]) -> None:
        self._blocks.update(found)
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)

    def _apply(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, AccountDataEntry) and entry.type == INVITE_PERMISSION:
                self._changes += 1
                self._blocks.pop(entry.user_id, None)
