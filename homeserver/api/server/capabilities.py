"""What the server can do for the user.

Client-server API, "Capabilities negotiation".
"""

from __future__ import annotations

from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route


class CapabilitiesApi:
    """The same for every user.

    ``login_tokens``: whether a session can get a token that logs another client in.
    """

    def __init__(self, default_room_version: str, *, login_tokens: bool) -> None:
        available = {
            version.identifier: "stable" if version.stable else "unstable"
            for version in ROOM_VERSIONS.values()
        }
        capabilities = {
            "m.room_versions": {"default": default_room_version, "available": available},
            "m.change_password": {"enabled": True},
            "m.profile_fields": {"enabled": True},
            "m.set_displayname": {"enabled": True},
            "m.set_avatar_url": {"enabled": True},
            "m.3pid_changes": {"enabled": False},
            "m.get_login_token": {"enabled": login_tokens},
            "m.forget_forced_upon_leave": {"enabled": False},
        }
        self._answer = ok({"capabilities": capabilities})

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        section = "Capabilities negotiation"
        return [route("GET", client("/capabilities"), self.get, section=section)]

    async def get(self, request: Request) -> Answer:
        """``GET /capabilities``"""
        return self._answer
