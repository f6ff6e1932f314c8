"""Registering accounts.

Client-server API, "Account registration", "Token-authenticated registration" and "Guest access".
"""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.api.accounts.interactive_auth import authorise
from homeserver.api.accounts.login_answers import (
    APPLICATION_SERVICE,
    refuse_application_service,
    session_body,
)
from homeserver.domain.errors import Forbidden, InvalidParam, MissingParam
from homeserver.domain.identifiers import UserId, server_name_of
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.services.accounts.accounts import Accounts, Registration
from homeserver.services.accounts.authentication import Authentication
from homeserver.services.accounts.registration_policy import RegistrationPolicy
from homeserver.services.accounts.registration_tokens import RegistrationTokens
from homeserver.services.accounts.session_tokens import (
    IssuedSession,
    SessionRequest,
    parse_session_request,
)
from homeserver.services.accounts.uia_stages import REGISTRATION_TOKEN
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth


class RegisterBody(msgspec.Struct):
    """The body of ``POST /register``; ``guest_access_token`` is of a guest who upgrades."""

    auth: dict[str, Any] | None = None
    username: str | None = None
    password: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False
    guest_access_token: str | None = None
    type: str | None = None


class AvailableQuery(msgspec.Struct):
    """The query of ``GET /register/available``."""

    username: str


class ValidityQuery(msgspec.Struct):
    """The query of the registration token's validity."""

    token: str


class RegistrationApi:
    """Registration of people and guests."""

    def __init__(
        self,
        accounts: Accounts,
        tokens: RegistrationTokens,
        interactive: UserInteractiveAuth,
        authentication: Authentication,
        policy: RegistrationPolicy,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._interactive = interactive
        self._authentication = authentication
        self._policy = policy

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                client("/register"),
                self.register,
                body=RegisterBody,
                access=Access.PUBLIC,
                rate=RateClass.REGISTRATION,
                section="Account registration",
            ),
            route(
                "GET",
                client("/register/available"),
                self.available,
                access=Access.PUBLIC,
                section="Account registration",
            ),
            route(
                "GET",
                client("/register/m.login.registration_token/validity", "v1"),
                self.token_validity,
                access=Access.PUBLIC,
                rate=RateClass.REGISTRATION,
                section="Token-authenticated registration",
            ),
        ]

    async def register(self, request: Request, body: RegisterBody) -> Answer:
        """``POST /register``"""
        kind = request.query_value("kind") or "user"
        if body.type == APPLICATION_SERVICE:
            refuse_application_service(request)
        if kind == "guest":
            return await self._register_guest(request, body)
        if kind != "user":
            raise InvalidParam("`kind` must be user or guest")
        self._policy.require_open(request.address)
        user_id = await self._available_user_id(body)
        if body.password is not None:
            self._accounts.check_password(body.password)
        session = None if body.inhibit_login else _session_request(body)
        authorisation = await authorise(self._interactive, request, body.auth, self._policy.flows)
        if body.password is None:
            raise MissingParam("`password` is missing")
        has_token = REGISTRATION_TOKEN in authorisation.proved
        registration = Registration(
            user_id,
            body.password,
            session,
            reservation=authorisation.session_id if has_token else None,
        )
        if body.guest_access_token is not None:
            issued = await self._accounts.upgrade_guest(registration)
            self._authentication.forget(user_id)
        else:
            issued = await self._accounts.register(registration)
        return _answer(user_id, issued)

    async def available(self, request: Request) -> Answer:
        """``GET /register/available``"""
        query = request.query_as(AvailableQuery)
        self._policy.require_open(request.address)
        await self._accounts.require_available(self._accounts.user_id_for(query.username))
        return ok({"available": True})

    async def token_validity(self, request: Request) -> Answer:
        """``GET /register/m.login.registration_token/validity``"""
        query = request.query_as(ValidityQuery)
        self._policy.require_open(request.address)
        return ok({"valid": await self._tokens.is_valid(query.token)})

    async def _register_guest(self, request: Request, body: RegisterBody) -> Answer:
        self._policy.require_guests_allowed(request.address)
        session = parse_session_request(None, body.initial_device_display_name, False)
        issued = await self._accounts.register_guest(session)
        return _answer(issued.user_id, issued)

    async def _available_user_id(self, body: RegisterBody) -> UserId:
        """The user ID to register: a free one, or that of a guest who upgrades."""
        if body.guest_access_token is not None and body.username is None:
            raise MissingParam("`username` must be that of the guest")
        user_id = self._accounts.user_id_for(body.username)
        if body.guest_access_token is not None:
            guest = await self._authentication.authenticate(body.guest_access_token)
            if not guest.is_guest or guest.user_id != user_id:
                raise Forbidden("This is not the guest's access token")
        elif body.username is not None:
            await self._accounts.require_available(user_id)
        return user_id


def _session_request(body: RegisterBody) -> SessionRequest:
    return parse_session_request(
        body.device_id, body.initial_device_display_name, body.refresh_token
    )


def _answer(user_id: UserId, issued: IssuedSession | None) -> Answer:
    if issued is not None:
        return ok(session_body(issued))
    return ok({"user_id": user_id, "home_server": server_name_of(user_id)})
