"""What the HTTP surface asks of whoever knows the access tokens."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.errors import Unauthorized
from homeserver.domain.identifiers import ServerName
from homeserver.domain.requester import Requester
from homeserver.http.request import Request, RequestHeaders


class Authenticator(Protocol):
    """Turns an access token into who makes the request."""

    def remembered(self, token: str) -> Requester | None:
        """The requester of a token seen before, without waiting, or None."""
        ...

    async def authenticate(self, token: str) -> Requester:
        """The requester of a token. Raises UnknownToken (with soft_logout where the session has
        expired but the device remains), UserLocked, UserDeactivated."""
        ...

    def note_use(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        """Remember when and from where a session was last seen. Does no I/O."""
        ...


class OriginAuthenticator(Protocol):
    """Tells which server makes a request, by what it signed."""

    async def authenticate(self, request: Request) -> ServerName:
        """The server that makes a request. Raises Unauthorized, Forbidden for servers that are not
        talked to, LimitExceeded for addresses that are about too many unknown ones, and what is
        wrong with the body."""
        ...


class NoOrigins:
    """See :class:`OriginAuthenticator`. For a surface without operations for servers."""

    async def authenticate(self, request: Request) -> ServerName:
        raise Unauthorized("This server takes no requests of other servers")


def bearer_token(headers: RequestHeaders, query_token: str | None) -> str | None:
    """The token of ``Authorization: Bearer``, else of the ``access_token`` parameter that older
    clients send."""
    header = headers.get("authorization")
    if header is not None and header[:7].lower() == "bearer ":
        return header[7:].strip()
    return query_token
