"""Who is asked for the keys of a server: the server itself, and notaries.

Server-server API, "Publishing Keys" and "Querying Keys Through Another Server".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs
import structlog

from federation.keys.key_fetching import KeysUnavailable, Wanted
from federation.keys.key_response import (
    MAX_RESPONSE_BYTES,
    BadKeyResponse,
    KeyResponse,
    read_key_response,
)
from federation.keys.key_ring import KeyRequest, KeyRing
from federation.transport.errors import FederationError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import InvalidSignature, verify_signed_json
from homeserver.ports.clock import Clock
from homeserver.ports.threads import RunInThread

log = structlog.get_logger(__name__)

SERVER_PATH: Final = "/_matrix/key/v2/server"
QUERY_PATH: Final = "/_matrix/key/v2/query"

TIMEOUT_SECONDS: Final = 10.0
"""How long a server may take to say what its keys are."""

QUERY_TIMEOUT_SECONDS: Final = 30.0
"""How long a notary may take, which may have to ask others."""

SERVERS_PER_QUERY: Final = 100
MAX_QUERY_BYTES: Final = 4 * 1024 * 1024
MOST_RESPONSES: Final = 1000
"""How many responses of a notary's answer are looked at."""

MOST_SIGNING_KEYS: Final = 10
"""How many keys of a notary may have signed a response."""


class RemoteServers(Protocol):
    """What fetching keys asks of the federation's client. Both raise FederationError."""

    async def get_json(
        self,
        destination: ServerName,
        path: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
        authenticated: bool = True,
    ) -> JsonObject:
        """The JSON object that a server answers."""
        ...

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
        authenticated: bool = True,
    ) -> JsonObject:
        """The JSON object that a server answers to a JSON object."""
        ...


class OriginSource:
    """Asks each server for its own keys. See :class:`federation.keys.key_fetching.KeySource`.

    The requests are not signed: the server would have to ask for our key first.
    """

    servers_per_request = 1
    from_origin = True

    def __init__(self, remote: RemoteServers, clock: Clock) -> None:
        self._remote = remote
        self._clock = clock

    async def fetch(self, wanted: Wanted) -> Sequence[KeyResponse]:
        """The response of the one server in ``wanted``."""
        (server,) = wanted
        try:
            content = await self._remote.get_json(
                server,
                SERVER_PATH,
                timeout=TIMEOUT_SECONDS,
                max_bytes=MAX_RESPONSE_BYTES,
                authenticated=False,
            )
            response = read_key_response(content, self._clock.now_ms())
        except (BadKeyResponse, FederationError) as error:
            raise KeysUnavailable(str(error)) from error
        if response.server != server:
            raise KeysUnavailable(f"{server} answers with the keys of {response.server}")
        return [response]


@attrs.frozen
class Notary:
    """A server that is trusted to tell the keys of others.

    ``verify_keys`` are its public keys by key ID, in unpadded Base64; without them it is asked for
    them itself.
    """

    server: ServerName
    verify_keys: Mapping[str, str] = attrs.Factory(dict)


class NotarySource:
    """Asks a notary for the keys of many servers at once.

    See :class:`federation.keys.key_fetching.KeySource`. ``keys`` finds the keys of the notary, and
    must not ask notaries.
    """

    servers_per_request = SERVERS_PER_QUERY
    from_origin = False

    def __init__(
        self,
        notary: Notary,
        keys: KeyRing,
        remote: RemoteServers,
        run_in_thread: RunInThread,
        clock: Clock,
    ) -> None:
        self._notary = notary
        self._keys = keys
        self._remote = remote
        self._run_in_thread = run_in_thread
        self._clock = clock

    async def fetch(self, wanted: Wanted) -> Sequence[KeyResponse]:
        """What the notary has of ``wanted``, as far as the servers and the notary signed it."""
        others = {server: keys for server, keys in wanted.items() if server != self._notary.server}
        if not others:
            return []
        try:
            answer = await self._remote.post_json(
                self._notary.server,
                QUERY_PATH,
                _query(others),
                timeout=QUERY_TIMEOUT_SECONDS,
                max_bytes=MAX_QUERY_BYTES,
                authenticated=False,
            )
        except FederationError as error:
            raise KeysUnavailable(str(error)) from error
        contents = _contents(answer, others)
        if not contents:
            return []
        verify_keys = await self._verify_keys(contents)
        return await self._run_in_thread(
            _read_all, contents, self._notary.server, verify_keys, self._clock.now_ms()
        )

    async def _verify_keys(self, contents: Sequence[JsonObject]) -> Mapping[str, str]:
        if self._notary.verify_keys:
            return self._notary.verify_keys
        name, now_ms = self._notary.server, self._clock.now_ms()
        key_ids = {key_id for content in contents for key_id in _key_ids(content, name)}
        found = await self._keys.keys_for(
            [KeyRequest(name, key_id, now_ms) for key_id in sorted(key_ids)[:MOST_SIGNING_KEYS]]
        )
        if not found:
            raise KeysUnavailable(f"the keys of the notary {name} cannot be had")
        return {request.key_id: key for request, key in found.items()}


def _query(wanted: Wanted) -> JsonObject:
    return {
        "server_keys": {
            server: {
                key_id: {"minimum_valid_until_ts": valid_until_ms}
                for key_id, valid_until_ms in keys.items()
            }
            for server, keys in wanted.items()
        }
    }


def _contents(answer: JsonObject, wanted: Wanted) -> list[JsonObject]:
    """The responses in a notary's answer that are of servers it was asked about."""
    responses: Any = answer.get("server_keys")
    if not isinstance(responses, list):
        raise KeysUnavailable("The notary answers without server_keys")
    return [
        content
        for content in responses[:MOST_RESPONSES]
        if isinstance(content, dict) and content.get("server_name") in wanted
    ]


def _read_all(
    contents: Iterable[JsonObject], notary: ServerName, verify_keys: Mapping[str, str], now_ms: int
) -> list[KeyResponse]:
    read = []
    for content in contents:
        try:
            _check_notary(content, notary, verify_keys)
            read.append(read_key_response(content, now_ms))
        except (BadKeyResponse, BadJson, InvalidSignature) as error:
            name = content["server_name"]
            log.warning("notary_not_believed", notary=notary, server=name, reason=str(error))
    return read


def _check_notary(content: JsonObject, notary: ServerName, verify_keys: Mapping[str, str]) -> None:
    """Raises InvalidSignature unless one of the notary's keys has signed, and BadJson."""
    for key_id in _key_ids(content, notary):
        if key_id in verify_keys:
            verify_signed_json(content, notary, key_id, verify_keys[key_id])
            return
    raise InvalidSignature(f"It is not signed by {notary}")


def _key_ids(content: JsonObject, server: ServerName) -> list[str]:
    signatures: Any = content.get("signatures")
    by_key: Any = signatures.get(server) if isinstance(signatures, dict) else None
    return list(by_key)[:MOST_SIGNING_KEYS] if isinstance(by_key, dict) else []
