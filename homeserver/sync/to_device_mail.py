"""The to-device messages of a device that syncs.

Client-server API, "Send-to-Device messaging", server behaviour. A message stands at a position of
the log of its recipient's shard. A token acknowledges what stands up to its position, unless the
answer that ended in it had to stop before: then a stored cursor says where. So nothing depends on
memory, and what a restarted server does not know it reads. What was acknowledged is deleted a
little later, and not told again meanwhile.
"""

from __future__ import annotations

from typing import Final

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.log.entries import ToDeviceEntry
from homeserver.log.log import Log
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.to_device import Acknowledgement, ToDeviceStore

AT_ONCE: Final = 100
"""How many messages an answer carries at most."""


class ToDeviceMail:
    """What waits for one device. Positions are those of the shard of its user.

    What stands up to ``acknowledged`` is not told any more, even while it is still stored.
    """

    def __init__(
        self,
        store: ToDeviceStore,
        log: Log,
        address: tuple[UserId, DeviceId],
        shard: int,
        acknowledged: int = 0,
    ) -> None:
        self._store = store
        self._log = log
        self._address = address
        self._shard = shard
        self._acknowledged = 0
        self._note_acknowledged(acknowledged)
        self._is_loaded = False
        # Where messages may stand that are still stored; 0 for nowhere.
        self._first = 0
        self._last = 0
        # By the position of a token whose answer stopped before it: where it stopped.
        self._cursors: dict[int, int] = {}

    def add(self, position: int) -> None:
        """A message came."""
        self._first = self._first or position
        self._last = max(self._last, position)

    def has_news(self, since: int) -> bool:
        """Whether a message may wait that an answer with this token did not carry."""
        return not self._is_loaded or self._last > self._delivered(since)

    async def messages(self, since: int | None, until: int) -> list[bytes]:
        """The next messages for the device, up to and with ``until``, in the order they came.

        ``since`` is None for a device that has no token.
        """
        if not self._is_loaded:
            await self._load()
        after = self._acknowledged
        if since is not None:
            after = max(after, self._delivered(since))
        if self._last <= after:
            return []
        found = await self._store.messages(*self._address, after, until, AT_ONCE + 1)
        if len(found) > AT_ONCE:
            found = found[:AT_ONCE]
            await self._stop_at(found[-1].position, until)
        return [message.event for message in found]

    def acknowledge(self, since: int) -> Acknowledgement | None:
        """What can be deleted, now that the device came back with a token."""
        if not self._is_loaded:
            return None
        delivered = self._delivered(since)
        self._note_acknowledged(delivered)
        outdated = [token for token in self._cursors if token < since]
        if not outdated and not 0 < self._first <= delivered:
            return None
        for token in outdated:
            del self._cursors[token]
        if 0 < self._first <= delivered:
            self._first = delivered + 1 if self._last > delivered else 0
        return Acknowledgement(*self._address, delivered, since)

    # --- for readers whose tokens say themselves how far an answer went

    def waits_after(self, position: int) -> bool:
        """Whether a message may wait after a position."""
        return not self._is_loaded or (self._first > 0 and position < self._last)

    async def next_after(self, position: int, until: int, limit: int) -> tuple[list[bytes], int]:
        """The first messages in (position, until], at most ``limit``, in the order they came; and
        the position up to which these are all."""
        if not self._is_loaded:
            await self._load()
        if not self.waits_after(position):
            return [], until
        after = max(position, self._acknowledged)
        found = await self._store.messages(*self._address, after, until, limit + 1)
        if len(found) > limit:
            found = found[:limit]
            until = found[-1].position
        return [message.event for message in found], until

    def acknowledge_up_to(self, position: int) -> Acknowledgement | None:
        """What can be deleted, now that the device has everything up to a position."""
        if not self._is_loaded:
            return None
        self._note_acknowledged(position)
        if not 0 < self._first <= position:
            return None
        self._first = position + 1 if self._last > position else 0
        # What tokens before this one stopped at does not matter any more.
        for token in [token for token in self._cursors if token < position]:
            del self._cursors[token]
        return Acknowledgement(*self._address, position, position)

    def _note_acknowledged(self, position: int) -> None:
        # A token may be made up: what is still to come has not been acknowledged.
        position = min(position, self._log.published[self._shard])
        self._acknowledged = max(self._acknowledged, position)

    def _delivered(self, since: int) -> int:
        return self._cursors.get(since, since)

    async def _load(self) -> None:
        mailbox = await self._store.mailbox(*self._address)
        if mailbox.first:
            self._first = min(self._first or mailbox.first, mailbox.first)
            self._last = max(self._last, mailbox.last)
        self._cursors.update(mailbox.cursors)
        self._is_loaded = True

    async def _stop_at(self, delivered: int, token_position: int) -> None:
        """Note that the answer with this token stops at a message.

        The note is an entry of its own, so that the next answer ends in another token.
        """

        def work(tx: Transaction) -> None:
            self._store.set_cursor(tx, self._address, token_position, delivered)

        position = self._log.next_position(self._shard)
        await self._log.append(ToDeviceEntry(self._shard, position, (self._address,)), work)
        self._cursors[token_position] = delivered
