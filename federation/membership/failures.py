"""Asking one server after the other, and what to say when none of them helped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import structlog

from federation.transport.errors import FederationError, RemoteError
from homeserver.domain.errors import (
    Forbidden,
    IncompatibleRoomVersion,
    InviteBlocked,
    MatrixError,
    NotFound,
    UnableToAuthoriseJoin,
    UnableToGrantJoin,
    UnableToRetrieve,
)
from homeserver.domain.identifiers import ServerName

log = structlog.get_logger(__name__)

T = TypeVar("T")

MOST_ASKED: Final = 8
"""How many servers are asked for the same."""


class UnusableAnswer(UnableToRetrieve):
    """A server has answered, but not what it must."""


_TOLD: Final[tuple[type[MatrixError], ...]] = (
    IncompatibleRoomVersion,
    InviteBlocked,
    Forbidden,
    UnableToGrantJoin,
    UnableToAuthoriseJoin,
    NotFound,
)
"""The errors of servers that a client is told, those that say most first."""


def servers_to_ask(
    own_name: ServerName, *groups: Iterable[ServerName], most: int = MOST_ASKED
) -> list[ServerName]:
    """Servers in order, each once, and not this one."""
    servers = dict.fromkeys(server for group in groups for server in group)
    return [server for server in servers if server != own_name][:most]


async def first_to_help(
    servers: Iterable[ServerName], attempt: Callable[[ServerName], Awaitable[T]]
) -> T:
    """What the first server that helps makes of an attempt.

    Raises what says most of the errors of them all; NotFound without servers.
    """
    errors: list[MatrixError] = []
    for server in servers:
        try:
            return await attempt(server)
        except (FederationError, UnusableAnswer) as error:
            log.info("server_did_not_help", server=server, error=str(error))
            errors.append(as_told(error))
    raise _most_telling(errors)


def as_told(error: Exception) -> MatrixError:
    """The error that a client gets for one that another server answered, or caused."""
    if isinstance(error, RemoteError):
        for kind in _TOLD:
            if kind.errcode == error.remote_errcode:
                fields = {}
                if kind is IncompatibleRoomVersion and "room_version" in error.remote_fields:
                    fields["room_version"] = error.remote_fields["room_version"]
                return kind(error.remote_error or None, **fields)
    if isinstance(error, Forbidden | UnableToRetrieve):
        return error
    raise error


def _most_telling(errors: list[MatrixError]) -> MatrixError:
    for kind in _TOLD:
        for error in errors:
            if isinstance(error, kind):
                return error
    return errors[-1] if errors else NotFound("No server that is in the room is known")
