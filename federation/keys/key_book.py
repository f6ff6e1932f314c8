"""The keys of other servers, as far as they are known here: in memory before the database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from federation.keys.key_response import KeyResponse
from federation.keys.shared_work import SharedWork
from homeserver.domain.identifiers import ServerName
from homeserver.ports.federation.server_keys import KeyResponseRow, ServerKeyRow, ServerKeyStore

MOST_KEYS: Final = 200
"""How many keys of one server are remembered: twice as many as one response may have."""


class KeyBook:
    """Known keys. In memory are those of ``capacity`` servers, each with all its keys."""

    def __init__(self, store: ServerKeyStore, capacity: int = 20_000) -> None:
        self._store = store
        self._capacity = capacity
        self._known: OrderedDict[ServerName, dict[str, ServerKeyRow]] = OrderedDict()
        self._reading: SharedWork[ServerName] = SharedWork()

    def find(self, server: ServerName, key_id: str) -> ServerKeyRow | None:
        """A key that is in memory."""
        keys = self._known.get(server)
        if keys is None:
            return None
        self._known.move_to_end(server)
        return keys.get(key_id)

    async def load(self, servers: Collection[ServerName]) -> None:
        """Bring what is known of some servers into memory."""
        unread = [server for server in servers if server not in self._known]
        if unread:
            await self._reading.share(unread, self._read)

    async def _read(self, servers: list[ServerName]) -> None:
        rows = await self._store.keys_of(servers)
        for server in servers:
            self._known.setdefault(server, {})
        for row in rows:
            self._known[row.server].setdefault(row.key_id, row)
        self._keep_to_capacity(len(servers))

    async def learn(self, responses: Sequence[KeyResponse], *, from_origin: bool) -> None:
        """Take in what servers said of their keys, themselves or to a notary."""
        await self.load({response.server for response in responses})
        changed: dict[tuple[ServerName, str], ServerKeyRow] = {}
        for response in responses:
            keys = self._known.setdefault(response.server, {})
            for row in _rows(response, from_origin):
                key = _newer(keys.get(row.key_id), row)
                if key is row:
                    changed[row.server, row.key_id] = keys[row.key_id] = row
            _forget_surplus(keys)
        said = {(response.server, response.response_hash): response for response in responses}
        await self._store.save(
            [_response_row(response) for response in said.values()],
            list(changed.values()),
            MOST_KEYS,
        )

    def _keep_to_capacity(self, just_read: int) -> None:
        # What was just read is about to be looked at, however much it is.
        while len(self._known) > max(self._capacity, just_read):
            self._known.popitem(last=False)


def _rows(response: KeyResponse, from_origin: bool) -> list[ServerKeyRow]:
    response_hash = response.response_hash
    return [
        ServerKeyRow(
            response.server, key_id, key.verify_key, key.valid_until_ms, from_origin, response_hash
        )
        for key_id, key in response.keys.items()
    ]


def _newer(known: ServerKeyRow | None, said: ServerKeyRow) -> ServerKeyRow:
    """What holds of a key of which something is known and something was just said.

    A server has the last word about its own keys. What a notary says holds only if it does not
    contradict the server, and prolongs, never shortens.
    """
    if known is None or said.from_origin:
        return said
    if known.from_origin and known.verify_key != said.verify_key:
        return known
    return said if said.valid_until_ms > known.valid_until_ms else known


def _response_row(response: KeyResponse) -> KeyResponseRow:
    return KeyResponseRow(
        response.server,
        response.response_hash,
        response.fetched_ms,
        response.valid_until_ms,
        response.response,
    )


def _forget_surplus(keys: dict[str, ServerKeyRow]) -> None:
    if len(keys) > MOST_KEYS:
        newest = sorted(keys.values(), key=lambda key: (key.valid_until_ms, key.key_id))
        for key in newest[:-MOST_KEYS]:
            del keys[key.key_id]
