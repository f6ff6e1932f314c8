"""Looking after one's account: password, contacts, closing it.

Client-server API, "Account management" and "Adding Account Administrative Contact Information".
"""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.api.accounts.interactive_auth import authorise
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import GuestAccessForbidden
from homeserver.domain.identifiers import UserId
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.services.accounts.deactivation import Deactivation
from homeserver.services.accounts.password_change import PasswordChange
from homeserver.services.accounts.uia_stages import PASSWORD
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth


class PasswordBody(msgspec.Struct):
    """The body of ``POST /account/password``."""

    new_password: str
    logout_devices: bool = True
    auth: dict[str, Any] | None = None


class DeactivateBody(msgspec.Struct):
    """The body of ``POST /account/deactivate``."""

    auth: dict[str, Any] | None = None
    id_server: str | None = None
    erase: bool = False


class AccountApi:
    """The account of the user."""

    def __init__(
        self,
        passwords: PasswordChange,
        deactivation: Deactivation,
        interactive: UserInteractiveAuth,
    ) -> None:
        self._passwords = passwords
        self._deactivation = deactivation
        self._interactive = interactive

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                client("/account/password"),
                self.change_password,
                body=PasswordBody,
                access=Access.OPTIONAL,
                rate=RateClass.LOGIN,
                section="Password management",
            ),
            route(
                "POST",
                client("/account/deactivate"),
                self.deactivate,
                body=DeactivateBody,
                access=Access.OPTIONAL,
                rate=RateClass.LOGIN,
                section="Account deactivation",
            ),
            route(
                "GET",
                client("/account/3pid"),
                self.third_party_identifiers,
                section="Adding Account Administrative Contact Information",
            ),
        ]

    async def change_password(self, request: Request, body: PasswordBody) -> Answer:
        """``POST /account/password``"""
        self._passwords.check_policy(body.new_password)
        user_id = await self._owner(request, body.auth)
        requester = request.requester_or_none
        await self._passwords.change(
            user_id,
            body.new_password,
            log_out_devices=body.logout_devices,
            keep=None if requester is None else requester.device_id,
        )
        return EMPTY

    async def deactivate(self, request: Request, body: DeactivateBody) -> Answer:
        """``POST /account/deactivate``"""
        user_id = await self._owner(request, body.auth)
        await self._deactivation.deactivate(user_id, erase=body.erase)
        # Nobody has third-party identifiers, so there is none to unbind.
        return ok({"id_server_unbind_result": "success"})

    async def third_party_identifiers(self, request: Request) -> Answer:
        """``GET /account/3pid``"""
        return ok({"threepids": []})

    async def _owner(self, request: Request, auth: JsonObject | None) -> UserId:
        """Who has just proved to own the account, with an access token or without."""
        requester = request.requester_or_none
        if requester is not None and requester.is_guest:
            raise GuestAccessForbidden()
        authorisation = await authorise(self._interactive, request, auth)
        return UserId(authorisation.proved[PASSWORD])
