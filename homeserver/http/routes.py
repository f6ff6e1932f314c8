"""A route and its metadata, stated once.

Routing, authentication, rate limits, the list of supported operations and the coverage table in
docs/ are all generated from these values.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, overload

import attrs
import msgspec

from homeserver.http.answers import Answer
from homeserver.http.request import Request

Body = TypeVar("Body", bound=msgspec.Struct)


class Access(enum.Enum):
    """Who may call an operation."""

    PUBLIC = "anyone; a token is not looked at"
    OPTIONAL = "anyone; a token, if sent, must be valid"
    USER = "users, but not guests"
    GUEST = "users and guests"
    FEDERATION = "other servers, which sign their requests"
    ADMIN = "server administrators, and whoever runs the server"


class RateClass(enum.Enum):
    """Kinds of action that share a budget; each has a rate and a burst in the configuration."""

    GENERAL = "general"
    SYNC = "sync"
    LOGIN = "login"
    REGISTRATION = "registration"
    MESSAGE = "message"
    JOIN = "join"
    INVITE = "invite"
    ROOM_CREATION = "room_creation"
    MEDIA = "media"
    SEARCH = "search"
    EPHEMERAL = "ephemeral"
    PROFILE = "profile"
    FEDERATION = "federation"
    NONE = "none"

    # Members are equal to themselves alone, and looked up several times a request.
    __hash__ = object.__hash__


@attrs.frozen(slots=True)
class Route:
    """One operation of an API.

    ``paths`` are templates such as ``/_matrix/client/v3/rooms/{roomId}/join``, one for each version
    it is served under. With ``body`` the handler receives the request's JSON as that model.
    ``section`` names where the specification (or a proposal) describes it. ``streams_body`` is for
    uploads: the body is not JSON, and the media limit holds instead of the general one;
    ``max_body_bytes`` is for other bodies that may be larger, or must be smaller, than most.
    """

    method: str
    paths: tuple[str, ...]
    handler: Callable[..., Awaitable[Answer]]
    access: Access
    rate: RateClass
    section: str
    body: type[msgspec.Struct] | None = None
    streams_body: bool = False
    max_body_bytes: int | None = None


class Api(Protocol):
    """An area of an API: a set of routes."""

    def routes(self) -> list[Route]:
        """The operations this area serves."""
        ...


@overload
def route(
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Request], Awaitable[Answer]],
    *,
    section: str,
    access: Access = ...,
    rate: RateClass = ...,
    streams_body: bool = ...,
    max_body_bytes: int | None = ...,
) -> Route: ...


@overload
def route(
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Request, Body], Awaitable[Answer]],
    *,
    section: str,
    body: type[Body],
    access: Access = ...,
    rate: RateClass = ...,
    max_body_bytes: int | None = ...,
) -> Route: ...


def route(
    method: str,
    paths: tuple[str, ...],
    handler: Callable[..., Awaitable[Answer]],
    *,
    section: str,
    access: Access = Access.USER,
    rate: RateClass = RateClass.GENERAL,
    body: type[Any] | None = None,
    streams_body: bool = False,
    max_body_bytes: int | None = None,
) -> Route:
    """A :class:`Route`; the types tie the handler's second argument to ``body``."""
    return Route(method, paths, handler, access, rate, section, body, streams_body, max_body_bytes)


def client(path: str, *versions: str) -> tuple[str, ...]:
    """Paths of a client-server operation, under ``v3`` and its older name ``r0`` unless told."""
    return tuple(f"/_matrix/client/{version}{path}" for version in versions or ("v3", "r0"))


def unstable(path: str, namespace: str) -> tuple[str, ...]:
    """Path of an operation that a proposal still keeps under its own name."""
    return (f"/_matrix/client/unstable/{namespace}{path}",)
