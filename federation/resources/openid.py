"""OpenID: third parties learn whose a token is.

Server-server API, "OpenID".
"""

from __future__ import annotations

import msgspec

from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.services.accounts.openid import OpenId


class UserInfoQuery(msgspec.Struct):
    """The query of /openid/userinfo."""

    access_token: str


class OpenIdUserInfoApi:
    """Tells whoever has a token whose it is; they are no servers and sign nothing."""

    def __init__(self, openid: OpenId) -> None:
        self._openid = openid

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                ("/_matrix/federation/v1/openid/userinfo",),
                self.get,
                section="OpenID",
                access=Access.PUBLIC,
                rate=RateClass.FEDERATION,
            )
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /_matrix/federation/v1/openid/userinfo``"""
        token = request.query_as(UserInfoQuery).access_token
        return ok({"sub": await self._openid.user_of(token)})
