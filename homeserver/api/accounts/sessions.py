"""Refreshing tokens, logging out, and who one is.

Client-server API, "Refreshing access tokens", "Login" and "Current account information".
"""

from __future__ import annotations

import msgspec

from homeserver.api.accounts.login_answers import token_body
from homeserver.domain.errors import MissingToken
from homeserver.domain.requester import Requester
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.authentication import bearer_token
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, client, route
from homeserver.services.accounts.authentication import Authentication
from homeserver.services.accounts.devices import Devices
from homeserver.services.accounts.sessions import Sessions


class RefreshBody(msgspec.Struct):
    """The body of ``POST /refresh``."""

    refresh_token: str


class SessionsApi:
    """Sessions that exist."""

    def __init__(
        self, sessions: Sessions, devices: Devices, authentication: Authentication
    ) -> None:
        self._sessions = sessions
        self._devices = devices
        self._authentication = authentication

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                client("/refresh", "v3"),
                self.refresh,
                body=RefreshBody,
                access=Access.PUBLIC,
                section="Refreshing access tokens",
            ),
            # These two look at the token themselves: a locked account may call nothing else.
            route("POST", client("/logout"), self.log_out, access=Access.PUBLIC, section="Login"),
            route(
                "POST",
                client("/logout/all"),
                self.log_out_everywhere,
                access=Access.PUBLIC,
                section="Login",
            ),
            route(
                "GET",
                client("/account/whoami"),
                self.who_am_i,
                access=Access.GUEST,
                section="Current account information",
            ),
        ]

    async def refresh(self, request: Request, body: RefreshBody) -> Answer:
        """``POST /refresh``"""
        return ok(token_body(await self._sessions.refresh(body.refresh_token)))

    async def log_out(self, request: Request) -> Answer:
        """``POST /logout``"""
        requester = await self._leaver(request)
        if requester.device_id is None:
            await self._sessions.revoke(requester)
        else:
            await self._devices.delete(requester.user_id, [requester.device_id])
        return EMPTY

    async def log_out_everywhere(self, request: Request) -> Answer:
        """``POST /logout/all``"""
        requester = await self._leaver(request)
        await self._devices.delete_all(requester.user_id)
        return EMPTY

    async def who_am_i(self, request: Request) -> Answer:
        """``GET /account/whoami``"""
        requester = request.requester
        body = {"user_id": requester.user_id, "is_guest": requester.is_guest}
        if requester.device_id is not None:
            body["device_id"] = requester.device_id
        return ok(body)

    async def _leaver(self, request: Request) -> Requester:
        token = bearer_token(request.headers, request.query_value("access_token"))
        if token is None:
            raise MissingToken()
        return await self._authentication.authenticate_to_leave(token)
