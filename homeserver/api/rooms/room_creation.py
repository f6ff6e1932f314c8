"""Creating rooms."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from homeserver.domain.identifiers import parse_user_id
from homeserver.domain.room_presets import Preset
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import RateClass, Route, client, route
from homeserver.services.rooms.first_events import InitialState, NewRoomRequest
from homeserver.services.rooms.room_creation import RoomCreation


class InitialStateBody(msgspec.Struct):
    """One of the ``initial_state``."""

    type: str
    content: dict[str, Any]
    state_key: str = ""


class CreateRoomBody(msgspec.Struct):
    """The body of ``POST /createRoom``."""

    visibility: Literal["public", "private"] | None = None
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] | None = None
    invite_3pid: list[dict[str, Any]] | None = None
    room_version: str | None = None
    creation_content: dict[str, Any] | None = None
    initial_state: list[InitialStateBody] | None = None
    preset: Preset | None = None
    is_direct: bool = False
    power_level_content_override: dict[str, Any] | None = None


class RoomCreationApi:
    """Making new rooms."""

    def __init__(self, creation: RoomCreation) -> None:
        self._creation = creation

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        return [
            route(
                "POST",
                client("/createRoom"),
                self.create,
                body=CreateRoomBody,
                rate=RateClass.ROOM_CREATION,
                section="Creation",
            )
        ]

    async def create(self, request: Request, body: CreateRoomBody) -> Answer:
        """``POST /createRoom``"""
        wanted = NewRoomRequest(
            public=body.visibility == "public",
            preset=body.preset,
            alias_localpart=body.room_alias_name,
            name=body.name,
            topic=body.topic,
            invite=[parse_user_id(user_id) for user_id in body.invite or ()],
            invites_third_parties=bool(body.invite_3pid),
            room_version=body.room_version,
            creation_content=body.creation_content or {},
            initial_state=[
                InitialState(state.type, state.state_key, state.content)
                for state in body.initial_state or ()
            ],
            is_direct=body.is_direct,
            power_levels=body.power_level_content_override or {},
        )
        return ok({"room_id": await self._creation.create(request.requester, wanted)})
