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

# A statement takes a bounded number of parameters.
_CLAIMS_AT_ONCE = 5000

_CLAIM = """DELETE FROM one_time_keys WHERE (user_id, device_id, algorithm, key_id) IN (
        SELECT v.column1, v.column2, v.column3, (
            SELECT k.key_id FROM one_time_keys k
            WHERE k.user_id = v.column1 AND k.device_id = v.column2 AND k.algorithm = v.column3
            ORDER BY k.position, k.key_id LIMIT 1
        ) FROM (VALUES {claims}) AS v
    ) RETURNING user_id, device_id, algorithm, key_id, key"""
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
        rows = tx.all(
            """SELECT algorithm, key_id, key FROM one_time_keys
            WHERE user_id = ? AND device_id = ? AND algorithm = ANY(?) AND key_id = ANY(?)""",
            (*address, list({key.algorithm for key in keys}), [key.key_id for key in keys]),
        )
        stored = [ClaimableKey(*row) for row in rows]
        return [
            key for key in stored if uploaded.get((key.algorithm, key.key_id), key.key) != key.key
        ]

    def add_one_time_keys(
        self, tx: Transaction, address: DeviceAddress, keys: Sequence[ClaimableKey], position: int
    ) -> None:
        tx.insert(
            """INSERT INTO one_time_keys
                (user_id, device_id, algorithm, key_id, position, key)
            SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column6 FROM (VALUES""",
            [(*address, key.algorithm, key.key_id, position, key.key) for key in keys],
            """) AS v WHERE NOT EXISTS (
                SELECT 1 FROM claimed_one_time_keys c
                WHERE c.user_id = v.column1 AND c.device_id = v.column2
                    AND c.algorithm = v.column3 AND c.key_id = v.column4
            ) ON CONFLICT DO NOTHING""",
        )

    def forget_claims(self, tx: Transaction, address: DeviceAddress, before_ts: int) -> None:
        tx.execute(
            """DELETE FROM claimed_one_time_keys
            WHERE user_id = ? AND device_id = ? AND claimed_ts < ?""",
            (*address, before_ts),
        )

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
    claimed = _handed_out(tx, _CLAIM, claims)
    tx.insert(
        """INSERT INTO claimed_one_time_keys
            (user_id, device_id, algorithm, key_id, claimed_ts) VALUES""",
        [(c.user_id, c.device_id, c.key.algorithm, c.key.key_id, now_ms) for c in claimed],
        "ON CONFLICT DO NOTHING",
    )
    if len(claimed) == len(claims):
        return claimed
    served = {(c.user_id, c.device_id, c.key.algorithm) for c in claimed}
    unserved = [c for c in claims if (c.user_id, c.device_id, c.algorithm) not in served]
    return claimed + _handed_out(tx, _FALL_BACK, unserved)


def _handed_out(tx: Transaction, statement: str, claims: list[Claim]) -> list[ClaimedKey]:
    if not claims:
        return []
    marks = ", ".join(["(?, ?, ?)"] * len(claims))
    parameters = [value for c in claims for value in (c.user_id, c.device_id, c.algorithm)]
    return list(map(_claimed, tx.all(statement.format(claims=marks), parameters)))


def _claimed(row: Row) -> ClaimedKey:
    user_id, device_id, algorithm, key_id, key = row
    return ClaimedKey(UserId(user_id), DeviceId(device_id), ClaimableKey(algorithm, key_id, key))
