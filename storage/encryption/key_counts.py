"""Counts of the keys that devices have left."""

from __future__ import annotations

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.encryption.key_counts import KeysLeft


class SqlKeyCountStore:
    """See :class:`homeserver.ports.encryption.key_counts.KeyCountStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def keys_left(self, user_id: UserId, device_id: DeviceId) -> KeysLeft:
        return await self._transactions.read(_keys_left, user_id, device_id)


def one_time_key_counts(tx: Transaction, user_id: UserId, device_id: DeviceId) -> dict[str, int]:
    """The number of unclaimed one-time keys of a device, by algorithm."""
    rows = tx.all(
        """SELECT algorithm, keys_left FROM claimed_one_time_keys
        WHERE user_id = ? AND device_id = ? AND keys_left > 0 ORDER BY algorithm""",
        (user_id, device_id),
    )
    return dict(rows)


def _keys_left(tx: Transaction, user_id: UserId, device_id: DeviceId) -> KeysLeft:
    unused = tx.all(
        """SELECT algorithm FROM fallback_keys WHERE user_id = ? AND device_id = ? AND NOT used
        ORDER BY algorithm""",
        (user_id, device_id),
    )
    return KeysLeft(one_time_key_counts(tx, user_id, device_id), [row[0] for row in unused])
