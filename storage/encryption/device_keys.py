"""The keys of devices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from homeserver.domain.device_keys import ClaimableKey
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.encryption.device_keys import Claim, ClaimedKey, DeviceKeysRow
from homeserver.ports.encryption.to_device import DeviceAddress
from storage.encryption.key_counts import one_time_key_counts
from storage.encryption.one_time_keys import (
    add_keys,
    by_algorithm,
    forget_used_up,
    known_keys,
    take_keys,
)

# A statement takes a bounded number of parameters.
_CLAIMS_AT_ONCE = 5000

_FALL_BACK = """UPDATE fallback_keys SET used = TRUE
    WHERE (user_id, device_id, algorithm) IN (
        SELECT v.column1, v.column2, v.column3 FROM (VALUES {claims}) AS v
    ) RETURNING user_id, device_id, algorithm, key_id, key"""


class SqlDeviceKeyStore:
    """See :class:`homeserver.ports.encryption.device_keys.DeviceKeyStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def device_keys(self, user_ids: Collection[UserId]) -> list[DeviceKeysRow]:
        return await self._transactions.read(_device_keys, list(user_ids))

    def read_device_keys(self, tx: Transaction, address: DeviceAddress) -> bytes | None:
        row = tx.one("SELECT keys FROM device_keys WHERE user_id = ? AND device_id = ?", address)
        return None if row is None else bytes(row[0])

    def put_device_keys(self, tx: Transaction, address: DeviceAddress, keys: bytes) -> None:
        tx.execute(
            """INSERT INTO device_keys (user_id, device_id, keys) VALUES (?, ?, ?)
            ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys""",
            (*address, keys),
        )

    def other_one_time_keys(
        self, tx: Transaction, address: DeviceAddress, keys: Sequence[ClaimableKey]
    ) -> list[ClaimableKey]:
        uploaded = {(key.algorithm, key.key_id): key.key for key in keys}
        return [
            ClaimableKey(stored.algorithm, stored.key_id, stored.key)
            for stored in known_keys(tx, address, by_algorithm(keys))
            if stored.key is not None
            and uploaded.get((stored.algorithm, stored.key_id), stored.key) != stored.key
        ]

    def add_one_time_keys(
        self,
        tx: Transaction,
        address: DeviceAddress,
        keys: Sequence[ClaimableKey],
        now_ms: int,
        claimed_since: int,
    ) -> None:
        forget_used_up(tx, address, now_ms, claimed_since)
        known = {
            (stored.algorithm, stored.key_id)
            for stored in known_keys(tx, address, by_algorithm(keys))
            if stored.key is not None or stored.claimed_ts >= claimed_since
        }
        new = [key for key in keys if (key.algorithm, key.key_id) not in known]
        for algorithm, some in by_algorithm(new).items():
            add_keys(tx, address, algorithm, some)

    def put_fallback_keys(
        self, tx: Transaction, address: DeviceAddress, keys: Sequence[ClaimableKey]
    ) -> None:
        tx.insert(
            """INSERT INTO fallback_keys
                (user_id, device_id, algorithm, key_id, key, used) VALUES""",
            [(*address, key.algorithm, key.key_id, key.key, False) for key in keys],
            """ON CONFLICT (user_id, device_id, algorithm) DO UPDATE SET
                key_id = excluded.key_id, key = excluded.key,
                used = (fallback_keys.used AND fallback_keys.key_id = excluded.key_id)""",
        )

    def counts(self, tx: Transaction, address: DeviceAddress) -> Mapping[str, int]:
        return one_time_key_counts(tx, *address)

    def claim(self, tx: Transaction, claims: Sequence[Claim], now_ms: int) -> list[ClaimedKey]:
        claimed: list[ClaimedKey] = []
        left = iter(claims)
        while some := list(islice(left, _CLAIMS_AT_ONCE)):
            claimed += _claim(tx, some, now_ms)
        return claimed


def _device_keys(tx: Transaction, user_ids: list[UserId]) -> list[DeviceKeysRow]:
    rows = tx.all(
        """SELECT k.user_id, k.device_id, k.keys, d.display_name FROM device_keys k
        JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id
        WHERE k.user_id = ANY(?)""",
        (user_ids,),
    )
    return [DeviceKeysRow(*row) for row in rows]


def _claim(tx: Transaction, claims: list[Claim], now_ms: int) -> list[ClaimedKey]:
    claimed = take_keys(tx, claims, now_ms)
    if len(claimed) == len(claims):
        return claimed
    served = {(c.user_id, c.device_id, c.key.algorithm) for c in claimed}
    unserved = [c for c in claims if (c.user_id, c.device_id, c.algorithm) not in served]
    return claimed + _fall_back(tx, unserved)


def _fall_back(tx: Transaction, claims: list[Claim]) -> list[ClaimedKey]:
    marks = ", ".join(["(?, ?, ?)"] * len(claims))
    parameters = [value for c in claims for value in (c.user_id, c.device_id, c.algorithm)]
    return list(map(_claimed, tx.all(_FALL_BACK.format(claims=marks), parameters)))


def _claimed(row: Row) -> ClaimedKey:
    user_id, device_id, algorithm, key_id, key = row
    return ClaimedKey(UserId(user_id), DeviceId(device_id), ClaimableKey(algorithm, key_id, key))
