"""Profiles.

Client-server API, "Profiles".
"""

from __future__ import annotations

from homeserver.api.accounts.own_user import own_user_id
from homeserver.domain.errors import GuestAccessForbidden, MissingParam
from homeserver.domain.identifiers import UserId, parse_user_id
from homeserver.domain.profile_fields import DISPLAY_NAME
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route, unstable
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.personal.profiles import Profiles

_SECTION = "Profiles"
_PROFILE = "/profile/{userId}"
_FIELD = "/profile/{userId}/{keyName}"
_MSC4133 = "uk.tcpip.msc4133"


class ProfilesApi:
    """What users say of themselves."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        # Clients that know extended profiles from their proposal still use its paths.
        profile = (*client(_PROFILE), *unstable(_PROFILE, _MSC4133))
        field = (*client(_FIELD), *unstable(_FIELD, _MSC4133))
        return [
            route("GET", profile, self.get, access=Access.PUBLIC, section=_SECTION),
            route("GET", field, self.get_field, access=Access.PUBLIC, section=_SECTION),
            route(
                "PUT",
                field,
                self.put_field,
                access=Access.GUEST,
                rate=RateClass.PROFILE,
                section=_SECTION,
            ),
            route(
                "DELETE",
                field,
                self.delete_field,
                access=Access.GUEST,
                rate=RateClass.PROFILE,
                section=_SECTION,
            ),
        ]

    async def get(self, request: Request) -> Answer:
        """``GET /profile/{userId}``"""
        return ok(await self._profiles.fields(parse_user_id(request.parameters["userId"])))

    async def get_field(self, request: Request) -> Answer:
        """``GET /profile/{userId}/{keyName}``"""
        user_id = parse_user_id(request.parameters["userId"])
        name = request.parameters["keyName"]
        return ok({name: await self._profiles.field(user_id, name)})

    async def put_field(self, request: Request) -> Answer:
        """``PUT /profile/{userId}/{keyName}``"""
        user_id, name = _field_to_change(request)
        body = request.body_object()
        if name not in body:
            raise MissingParam(f"The body must have the property {name}")
        await self._profiles.set_field(user_id, name, body[name])
        return EMPTY

    async def delete_field(self, request: Request) -> Answer:
        """``DELETE /profile/{userId}/{keyName}``"""
        await self._profiles.delete_field(*_field_to_change(request))
        return EMPTY


def _field_to_change(request: Request) -> tuple[UserId, str]:
    user_id, name = own_user_id(request), request.parameters["keyName"]
    require_not_suspended(request.requester)
    if request.requester.is_guest and name != DISPLAY_NAME:
        raise GuestAccessForbidden("Guests may change their display name only")
    return user_id, name
