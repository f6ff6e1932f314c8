"""OpenID: tokens for third parties.

Client-server API, "OpenID".
"""

from __future__ import annotations

from homeserver.api.accounts.own_user import own_user_id
from homeserver.domain.identifiers import ServerName
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route
from homeserver.services.accounts.openid import OpenId


class OpenIdApi:
    """Lets users prove to others who they are."""

    def __init__(self, openid: OpenId, server_name: ServerName) -> None:
        self._openid = openid
        self._server_name = server_name

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                client("/user/{userId}/openid/request_token"),
                self.request_token,
                section="OpenID",
            )
        ]

    async def request_token(self, request: Request) -> Answer:
        """``POST /user/{userId}/openid/request_token``"""
        user_id = own_user_id(request)
        request.body_object()  # reserved for the future
        issued = await self._openid.issue(user_id)
        return ok(
            {
                "access_token": issued.token,
                "token_type": "Bearer",
                "matrix_server_name": self._server_name,
                "expires_in": issued.expires_in_seconds,
            }
        )
