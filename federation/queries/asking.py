"""Asking other servers for what clients want, and what their refusals mean to those clients."""

from __future__ import annotations

from typing import Final, Protocol

from federation.transport.errors import RemoteError
from federation.transport.request_paths import Query
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden, InvalidParam, MatrixError, NotFound
from homeserver.domain.identifiers import ServerName

SECONDS: Final = 15.0
"""How long a server may take that a client waits for."""

_NOT_FOUND: Final = ("M_NOT_FOUND", "M_UNRECOGNIZED")


class RemoteServers(Protocol):
    """What queries ask of the federation's client; see
    :class:`federation.transport.federation_client.FederationClient`."""

    async def get_json(
        self,
        destination: ServerName,
        path: str,
        *,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> JsonObject:
        """The JSON object that a server answers."""
        ...

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject | bytes,
        *,
        query: Query | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> JsonObject:
        """The JSON object that a server answers to a JSON object."""
        ...


def for_client(error: RemoteError) -> MatrixError:
    """What a client is told when another server refuses: whether there is what it looks for, and
    whether it may have it, is for that server to say. Anything else is between the servers."""
    if error.remote_errcode in _NOT_FOUND or error.remote_status == 404:
        return NotFound(error.remote_error or None)
    if error.remote_errcode == "M_FORBIDDEN":
        return Forbidden(error.remote_error or None)
    if error.remote_errcode == "M_INVALID_PARAM":
        return InvalidParam(error.remote_error or None)
    return error
