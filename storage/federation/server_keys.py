"""The keys of other servers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from homeserver.domain.identifiers import ServerName
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.federation.server_keys import KeyResponseRow, ServerKeyRow


class SqlServerKeyStore:
    """See :class:`homeserver.ports.federation.server_keys.ServerKeyStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def keys_of(self, servers: Collection[ServerName]) -> list[ServerKeyRow]:
        return await self._transactions.read(_keys_of, list(servers)) if servers else []

    async def responses_of(self, servers: Collection[ServerName]) -> list[KeyResponseRow]:
        return await self._transactions.read(_responses_of, list(servers)) if servers else []

    async def save(
        self, responses: Sequence[KeyResponseRow], keys: Sequence[ServerKeyRow], most_keys: int
    ) -> None:
        await self._transactions.write(_save, responses, keys, most_keys)


def _keys_of(tx: Transaction, servers: list[ServerName]) -> list[ServerKeyRow]:
    rows = tx.all(
        """SELECT server_name, key_id, verify_key, valid_until_ts, from_origin, response_hash
        FROM server_keys WHERE server_name = ANY(?)""",
        (servers,),
    )
    return [
        ServerKeyRow(ServerName(server), key_id, key, until, bool(from_origin), response_hash)
        for server, key_id, key, until, from_origin, response_hash in rows
    ]


def _responses_of(tx: Transaction, servers: list[ServerName]) -> list[KeyResponseRow]:
    rows = tx.all(
        """SELECT server_name, response_hash, fetched_ts, valid_until_ts, response
        FROM server_key_responses WHERE server_name = ANY(?)""",
        (servers,),
    )
    return [
        KeyResponseRow(ServerName(server), response_hash, fetched, until, bytes(response))
        for server, response_hash, fetched, until, response in rows
    ]


def _save(
    tx: Transaction,
    responses: Sequence[KeyResponseRow],
    keys: Sequence[ServerKeyRow],
    most_keys: int,
) -> None:
    tx.insert(
        """INSERT INTO server_key_responses
        (server_name, response_hash, fetched_ts, valid_until_ts, response) VALUES""",
        [
            (r.server, r.response_hash, r.fetched_ms, r.valid_until_ms, r.response)
            for r in responses
        ],
        """ON CONFLICT (server_name, response_hash) DO UPDATE
        SET fetched_ts = excluded.fetched_ts, valid_until_ts = excluded.valid_until_ts""",
    )
    tx.insert(
        """INSERT INTO server_keys
        (server_name, key_id, verify_key, valid_until_ts, from_origin, response_hash) VALUES""",
        [
            (k.server, k.key_id, k.verify_key, k.valid_until_ms, k.from_origin, k.response_hash)
            for k in keys
        ],
        """ON CONFLICT (server_name, key_id) DO UPDATE
        SET verify_key = excluded.verify_key, valid_until_ts = excluded.valid_until_ts,
        from_origin = excluded.from_origin, response_hash = excluded.response_hash""",
    )
    _forget_surplus(tx, sorted({r.server for r in responses} | {k.server for k in keys}), most_keys)


def _forget_surplus(tx: Transaction, servers: list[ServerName], most_keys: int) -> None:
    tx.execute(
        """DELETE FROM server_keys WHERE server_name = ANY(?) AND ? <= (
            SELECT count(*) FROM server_keys newer
            WHERE newer.server_name = server_keys.server_name AND
            (newer.valid_until_ts, newer.key_id)
                > (server_keys.valid_until_ts, server_keys.key_id))""",
        (servers, most_keys),
    )
    tx.execute(
        """DELETE FROM server_key_responses WHERE server_name = ANY(?) AND NOT EXISTS (
            SELECT 1 FROM server_keys k WHERE k.server_name = server_key_responses.server_name
            AND k.response_hash = server_key_responses.response_hash)""",
        (servers,),
    )
