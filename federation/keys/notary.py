"""Telling others the keys of servers, and vouching for them.

Server-server API, "Querying Keys Through Another Server".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs
import msgspec

from federation.keys.key_fetching import KeyFetching
from federation.keys.own_keys import OwnKeys
from homeserver.domain.canonical_json import encode_lenient_json
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock
from homeserver.ports.federation.server_keys import KeyResponseRow, ServerKeyStore
from homeserver.ports.threads import RunInThread

MOST_FETCHES: Final = 100
"""How many servers are asked for their keys to answer one query."""


@attrs.frozen
class KeyQuery:
    """Which keys of a server are asked for, and until when they should be good.

    Without key IDs it is about whatever is current.
    """

    key_ids: frozenset[str]
    valid_until_ms: int


Queries = Mapping[ServerName, KeyQuery]


class KeyNotary:
    """Passes on what servers said of their keys, with our signature.

    ``fetching`` asks servers for their own keys. What a server said last is told when it does not
    answer, so that the signatures of old events can still be checked.
    """

    def __init__(
        self,
        own: OwnKeys,
        store: ServerKeyStore,
        fetching: KeyFetching,
        run_in_thread: RunInThread,
        clock: Clock,
    ) -> None:
        self._own = own
        self._store = store
        self._fetching = fetching
        self._run_in_thread = run_in_thread
        self._clock = clock

    async def responses(self, queries: Queries) -> list[bytes]:
        """The signed JSON of each response that answers the queries."""
        others = {name: query for name, query in queries.items() if name != self._own.server}
        told = [self._own.document()] if len(others) < len(queries) else []
        known = await self._known(others)
        now_ms = self._clock.now_ms()
        stale = [
            server
            for server, query in others.items()
            if server not in known or known[server].is_stale(query, now_ms)
        ]
        if stale:
            await self._fetching.fetch(
                {
                    server: dict.fromkeys(others[server].key_ids, others[server].valid_until_ms)
                    for server in stale[:MOST_FETCHES]
                }
            )
            known = await self._known(others)
        chosen = [row for server, each in known.items() for row in each.answers(others[server])]
        if chosen:
            told += await self._run_in_thread(_countersigned, chosen, self._own)
        return told

    async def _known(self, queries: Queries) -> dict[ServerName, _Known]:
        rows: dict[ServerName, dict[str, KeyResponseRow]] = defaultdict(dict)
        for row in await self._store.responses_of(queries.keys()):
            rows[row.server][row.response_hash] = row
        known = {
            server: _Known(max(by_hash.values(), key=lambda row: row.fetched_ms))
            for server, by_hash in rows.items()
        }
        for key in await self._store.keys_of(known.keys()):
            if (response := rows[key.server].get(key.response_hash)) is not None:
                known[key.server].by_key[key.key_id] = response
        return known


@attrs.frozen
class _Known:
    """What a server said last, and in which response each of its keys was."""

    newest: KeyResponseRow
    by_key: dict[str, KeyResponseRow] = attrs.Factory(dict)

    def is_stale(self, query: KeyQuery, now_ms: int) -> bool:
        """Whether the server should be asked before a query is answered."""
        newest = self.newest
        half_ms = (newest.fetched_ms + newest.valid_until_ms) // 2
        return (
            now_ms > half_ms
            or newest.valid_until_ms < query.valid_until_ms
            or not query.key_ids <= self.by_key.keys()
        )

    def answers(self, query: KeyQuery) -> Iterable[bytes]:
        """The newest response, and those that have the other keys of a query."""
        found = [self.newest, *(self.by_key[each] for each in query.key_ids & self.by_key.keys())]
        return {row.response_hash: row.response for row in found}.values()


def _countersigned(responses: Sequence[bytes], own: OwnKeys) -> list[bytes]:
    contents = (msgspec.json.decode(response, type=dict) for response in responses)
    return [encode_lenient_json(own.sign(content)) for content in contents]
