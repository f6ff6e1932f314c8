"""What registering, logging in and refreshing have in common in their answers."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from homeserver.domain.errors import MissingToken, UnknownToken
from homeserver.domain.identifiers import server_name_of
from homeserver.http.authentication import bearer_token
from homeserver.http.request import Request
from homeserver.services.accounts.session_tokens import IssuedSession

APPLICATION_SERVICE: Final = "m.login.application_service"


def session_body(issued: IssuedSession) -> dict[str, Any]:
    """A session as its client is told of it when it begins."""
    return {
        "user_id": issued.user_id,
        # Deprecated, and still read by some clients.
        "home_server": server_name_of(issued.user_id),
        "device_id": issued.device_id,
        **token_body(issued),
    }


def token_body(issued: IssuedSession) -> dict[str, Any]:
    """The tokens of a session, and how long the access token is valid if not for ever."""
    body: dict[str, Any] = {"access_token": issued.access_token}
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
    if issued.expires_in_ms is not None:
        body["expires_in_ms"] = issued.expires_in_ms
    return body


def refuse_application_service(request: Request) -> NoReturn:
    """Answer whoever comes as an application service without the token of one."""
    raise MissingToken() if bearer_token(request.headers, None) is None else UnknownToken()
