"""Logging in.

Client-server API, "Login" of the legacy API.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from homeserver.api.accounts.interactive_auth import authorise
from homeserver.api.accounts.login_answers import (
    APPLICATION_SERVICE,
    refuse_application_service,
    session_body,
)
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import MissingParam, Unknown
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.ports.accounts.accounts import Account
from homeserver.services.accounts.login_tokens import LoginTokens
from homeserver.services.accounts.password_authentication import PasswordAuthentication
from homeserver.services.accounts.session_tokens import parse_session_request
from homeserver.services.accounts.sessions import Sessions
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth

PASSWORD: Final = "m.login.password"
TOKEN: Final = "m.login.token"

FLOWS: Final = {"flows": [{"type": PASSWORD}, {"type": TOKEN, "get_login_token": True}]}


class LoginBody(msgspec.Struct):
    """The body of ``POST /login``."""

    type: str
    identifier: dict[str, Any] | None = None
    user: str | None = None
    medium: str | None = None
    address: str | None = None
    password: str | None = None
    token: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False

    def credentials(self) -> JsonObject:
        """Who somebody says they are, and their password."""
        named = {
            "identifier": self.identifier,
            "user": self.user,
            "medium": self.medium,
            "address": self.address,
            "password": self.password,
        }
        return {name: value for name, value in named.items() if value is not None}


class LoginTokenBody(msgspec.Struct):
    """The body of ``POST /login/get_token``."""

    auth: dict[str, Any] | None = None


class LoginApi:
    """Login with a password or a login token."""

    def __init__(
        self,
        passwords: PasswordAuthentication,
        login_tokens: LoginTokens,
        sessions: Sessions,
        interactive: UserInteractiveAuth,
    ) -> None:
        self._passwords = passwords
        self._login_tokens = login_tokens
        self._sessions = sessions
        self._interactive = interactive

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "GET",
                client("/login"),
                self.flows,
                access=Access.PUBLIC,
                section="Login",
            ),
            route(
                "POST",
                client("/login"),
                self.log_in,
                body=LoginBody,
                access=Access.PUBLIC,
                rate=RateClass.LOGIN,
                section="Login",
            ),
            route(
                "POST",
                client("/login/get_token", "v1"),
                self.get_token,
                body=LoginTokenBody,
                rate=RateClass.LOGIN,
                section="Login",
            ),
        ]

    async def flows(self, request: Request) -> Answer:
        """``GET /login``"""
        return ok(FLOWS)

    async def log_in(self, request: Request, body: LoginBody) -> Answer:
        """``POST /login``"""
        wanted = parse_session_request(
            body.device_id, body.initial_device_display_name, body.refresh_token
        )
        account = await self._account(request, body)
        return ok(session_body(await self._sessions.open(account, wanted)))

    async def get_token(self, request: Request, body: LoginTokenBody) -> Answer:
        """``POST /login/get_token``"""
        await authorise(self._interactive, request, body.auth)
        token = await self._login_tokens.issue(request.user_id)
        return ok({"login_token": token, "expires_in_ms": self._login_tokens.lifetime_ms})

    async def _account(self, request: Request, body: LoginBody) -> Account:
        if body.type == PASSWORD:
            return await self._passwords.authenticate(body.credentials())
        if body.type == TOKEN:
            if body.token is None:
                raise MissingParam("`token` is missing")
            return await self._login_tokens.redeem(body.token)
        if body.type == APPLICATION_SERVICE:
            refuse_application_service(request)
        raise Unknown("Bad login type")
