"""Replacing rooms by ones of another version."""

from __future__ import annotations

import msgspec

from homeserver.domain.identifiers import parse_room_id, parse_user_id
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import RateClass, Route, client, route
from homeserver.services.rooms.room_upgrades import RoomUpgrades


class UpgradeBody(msgspec.Struct):
    """The body of ``POST /rooms/{roomId}/upgrade``."""

    new_version: str
    additional_creators: list[str] | None = None


class UpgradesApi:
    """Upgrading rooms."""

    def __init__(self, upgrades: RoomUpgrades) -> None:
        self._upgrades = upgrades

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                client("/rooms/{roomId}/upgrade"),
                self.upgrade,
                body=UpgradeBody,
                rate=RateClass.ROOM_CREATION,
                section="Room Upgrades",
            )
        ]

    async def upgrade(self, request: Request, body: UpgradeBody) -> Answer:
        """``POST /rooms/{roomId}/upgrade``"""
        successor = await self._upgrades.upgrade(
            request.requester,
            parse_room_id(request.parameters["roomId"]),
            body.new_version,
            [parse_user_id(user_id) for user_id in body.additional_creators or ()],
        )
        return ok({"replacement_room": successor})
