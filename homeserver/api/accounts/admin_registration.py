"""``/_synapse/admin/v1/register``, where tools make accounts by a secret they share with us."""

from __future__ import annotations

import msgspec

from homeserver.api.accounts.login_answers import session_body
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.services.accounts.admin_registration import (
    AdminRegistration,
    AdminRegistrationRequest,
)

_PATHS = ("/_synapse/admin/v1/register",)
_SECTION = "Shared-secret registration"


class AdminRegisterBody(msgspec.Struct):
    """The account to make, and ``mac``, the proof that the sender knows the secret."""

    nonce: str
    username: str
    password: str
    mac: str
    admin: bool = False
    user_type: str | None = None
    displayname: str | None = None


class AdminRegistrationApi:
    """Registration by a shared secret; a server that has none does not serve this."""

    def __init__(self, registration: AdminRegistration) -> None:
        self._registration = registration

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route("GET", _PATHS, self.nonce, access=Access.PUBLIC, section=_SECTION),
            route(
                "POST",
                _PATHS,
                self.register,
                body=AdminRegisterBody,
                access=Access.PUBLIC,
                rate=RateClass.REGISTRATION,
                section=_SECTION,
            ),
        ]

    async def nonce(self, request: Request) -> Answer:
        """``GET /_synapse/admin/v1/register``"""
        return ok({"nonce": self._registration.new_nonce()})

    async def register(self, request: Request, body: AdminRegisterBody) -> Answer:
        """``POST /_synapse/admin/v1/register``"""
        issued = await self._registration.register(
            AdminRegistrationRequest(
                body.nonce,
                body.username,
                body.password,
                body.mac,
                is_admin=body.admin,
                user_type=body.user_type,
                display_name=body.displayname,
            )
        )
        return ok(session_body(issued))
