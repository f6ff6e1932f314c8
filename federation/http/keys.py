"""The keys of this server, and those of others that it vouches for.

Server-server API, "Retrieving server keys".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from federation.keys.notary import KeyNotary, KeyQuery
from federation.keys.own_keys import OwnKeys
from homeserver.domain.errors import TooLarge
from homeserver.domain.identifiers import parse_server_name
from homeserver.http.answers import Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.clock import Clock

MOST_QUERIES: Final = 1000
"""How many keys one query may be about."""

MAX_QUERY_BYTES: Final = 1024 * 1024


class _Criteria(msgspec.Struct):
    minimum_valid_until_ts: int | None = None


class _Query(msgspec.Struct):
    server_keys: dict[str, dict[str, _Criteria]]


class _Parameters(msgspec.Struct):
    minimum_valid_until_ts: int | None = None


class KeysApi:
    """Publishing keys, and answering as a notary. Anyone may ask."""

    def __init__(self, own: OwnKeys, notary: KeyNotary, clock: Clock) -> None:
        self._own = own
        self._notary = notary
        self._clock = clock

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        server, query = "/_matrix/key/v2/server", "/_matrix/key/v2/query"
        # With a key ID it is as in older versions of the specification.
        gets = [
            ((server, f"{server}/{{keyId}}"), self.own, "Publishing Keys"),
            (
                (f"{query}/{{serverName}}", f"{query}/{{serverName}}/{{keyId}}"),
                self.query_server,
                "Querying Keys Through Another Server",
            ),
        ]
        return [
            *(
                route(
                    "GET",
                    paths,
                    handler,
                    section=section,
                    access=Access.PUBLIC,
                    rate=RateClass.FEDERATION,
                )
                for paths, handler, section in gets
            ),
            route(
                "POST",
                (query,),
                self.query,
                body=_Query,
                section="Querying Keys Through Another Server",
                access=Access.PUBLIC,
                rate=RateClass.FEDERATION,
                max_body_bytes=MAX_QUERY_BYTES,
            ),
        ]

    async def own(self, request: Request) -> Answer:
        """``GET /_matrix/key/v2/server``: all keys, whichever is asked for."""
        return Answer(self._own.document())

    async def query_server(self, request: Request) -> Answer:
        """``GET /_matrix/key/v2/query/{serverName}``"""
        server = parse_server_name(request.parameters["serverName"])
        least = request.query_as(_Parameters).minimum_valid_until_ts
        key_id = request.parameters.get("keyId")
        query = self._query([key_id] if key_id else [], [least])
        return _answer(await self._notary.responses({server: query}))

    async def query(self, request: Request, body: _Query) -> Answer:
        """``POST /_matrix/key/v2/query``"""
        if sum(max(1, len(keys)) for keys in body.server_keys.values()) > MOST_QUERIES:
            raise TooLarge(f"A query may be about {MOST_QUERIES} keys")
        queries = {
            parse_server_name(server): self._query(
                keys, [criteria.minimum_valid_until_ts for criteria in keys.values()]
            )
            for server, keys in body.server_keys.items()
        }
        return _answer(await self._notary.responses(queries))

    def _query(self, key_ids: Iterable[str], least: Iterable[int | None]) -> KeyQuery:
        now_ms = self._clock.now_ms()
        valid_until_ms = max((now_ms if ms is None else ms for ms in least), default=now_ms)
        return KeyQuery(frozenset(key_ids), valid_until_ms)


def _answer(responses: list[bytes]) -> Answer:
    return Answer(b'{"server_keys":[' + b",".join(responses) + b"]}")
