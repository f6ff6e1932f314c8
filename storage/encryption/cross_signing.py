"""Cross-signing keys and signatures on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.encryption.cross_signing import (
    CrossSigningRow,
    SeenCrossSigningRow,
    UserSignature,
)

_UNSIGNED: Mapping[str, str] = {}


class SqlCrossSigningStore:
    """See :class:`homeserver.ports.encryption.cross_signing.CrossSigningStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def keys(self, user_ids: Collection[UserId], viewer: UserId) -> list[SeenCrossSigningRow]:
        return await self._transactions.read(_keys, list(user_ids), viewer)

    async def published(self, user_ids: Collection[UserId]) -> list[CrossSigningRow]:
        return await self._transactions.read(_published, list(user_ids))

    async def signatures(self, signer: UserId, user_ids: Collection[UserId]) -> list[UserSignature]:
        return await self._transactions.read(_signatures, signer, list(user_ids))

    def read(self, tx: Transaction, user_id: UserId) -> dict[str, CrossSigningRow]:
        rows = tx.all(
            "SELECT user_id, usage, public_key, key FROM cross_signing_keys WHERE user_id = ?",
            (user_id,),
        )
        return {usage: CrossSigningRow(UserId(u), usage, public, k) for u, usage, public, k in rows}

    def put(self, tx: Transaction, rows: Sequence[CrossSigningRow]) -> None:
        tx.insert(
            "INSERT INTO cross_signing_keys (user_id, usage, public_key, key) VALUES",
            [(row.user_id, row.usage, row.public_key, row.key) for row in rows],
            """ON CONFLICT (user_id, usage) DO UPDATE SET
                public_key = excluded.public_key, key = excluded.key""",
        )

    def remove(self, tx: Transaction, user_id: UserId, usages: Sequence[str]) -> None:
        tx.execute(
            "DELETE FROM cross_signing_keys WHERE user_id = ? AND usage = ANY(?)",
            (user_id, list(usages)),
        )

    def devices_named(
        self, tx: Transaction, user_id: UserId, names: Sequence[str]
    ) -> list[DeviceId]:
        rows = tx.all(
            "SELECT device_id FROM devices WHERE user_id = ? AND device_id = ANY(?)",
            (user_id, list(names)),
        )
        return [DeviceId(row[0]) for row in rows]

    def add_signatures(
        self,
        tx: Transaction,
        signer: UserId,
        signatures: Sequence[UserSignature],
        position: int,
    ) -> None:
        tx.insert(
            """INSERT INTO user_signatures
                (signer, user_id, public_key, signing_key_id, signature, position) VALUES""",
            [
                (signer, s.user_id, s.public_key, s.signing_key_id, s.signature, position)
                for s in signatures
            ],
            """ON CONFLICT (signer, user_id, public_key, signing_key_id) DO UPDATE SET
                signature = excluded.signature, position = excluded.position""",
        )


def _keys(tx: Transaction, user_ids: list[UserId], viewer: UserId) -> list[SeenCrossSigningRow]:
    rows = tx.all(
        """SELECT c.user_id, c.usage, c.public_key, c.key, s.signing_key_id, s.signature
        FROM cross_signing_keys c
        LEFT JOIN user_signatures s ON s.signer = ? AND s.user_id = c.user_id
            AND s.public_key = c.public_key
        WHERE c.user_id = ANY(?) AND (c.usage <> 'user_signing' OR c.user_id = ?)""",
        (viewer, user_ids, viewer),
    )
    signatures: dict[tuple[str, str], dict[str, str]] = {}
    for user_id, usage, _, _, signing_key_id, signature in rows:
        if signing_key_id is not None:
            signatures.setdefault((user_id, usage), {})[signing_key_id] = signature
    if not signatures:
        return [SeenCrossSigningRow(u, usage, p, k, _UNSIGNED) for u, usage, p, k, _, _ in rows]
    # A key comes once for each of its signatures.
    seen = {
        (u, usage): SeenCrossSigningRow(u, usage, p, k, signatures.get((u, usage), _UNSIGNED))
        for u, usage, p, k, _, _ in rows
    }
    return list(seen.values())


def _published(tx: Transaction, user_ids: list[UserId]) -> list[CrossSigningRow]:
    rows = tx.all(
        "SELECT user_id, usage, public_key, key FROM cross_signing_keys WHERE user_id = ANY(?)",
        (user_ids,),
    )
    return [CrossSigningRow(*row) for row in rows]


def _signatures(tx: Transaction, signer: UserId, user_ids: list[UserId]) -> list[UserSignature]:
    rows = tx.all(
        """SELECT user_id, public_key, signing_key_id, signature FROM user_signatures
        WHERE signer = ? AND user_id = ANY(?)""",
        (signer, user_ids),
    )
    return [UserSignature(*row) for row in rows]
