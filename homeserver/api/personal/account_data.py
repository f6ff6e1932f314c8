"""What clients keep on the server for their user, and tags of rooms.

Client-server API, "Client Config" and "Room Tagging".
"""

from __future__ import annotations

import msgspec

from homeserver.api.accounts.own_user import own_user_id
from homeserver.domain.identifiers import RoomId, parse_room_id
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route, unstable
from homeserver.services.personal.account_data import AccountData
from homeserver.services.personal.room_tags import RoomTags

_CONFIG = "Client Config"
_TAGGING = "Room Tagging"
_MSC3391 = "org.matrix.msc3391"


class AccountDataApi:
    """Account data of the user, global and of single rooms."""

    def __init__(self, account_data: AccountData, tags: RoomTags) -> None:
        self._account_data = account_data
        self._tags = tags

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        path = "/user/{userId}/account_data/{type}"
        path_in_room = "/user/{userId}/rooms/{roomId}/account_data/{type}"
        everywhere, in_room = client(path), client(path_in_room)
        # Deletion has the path of its proposal alone.
        deletion = (*unstable(path, _MSC3391), *unstable(path_in_room, _MSC3391))
        tags = client("/user/{userId}/rooms/{roomId}/tags")
        tag = client("/user/{userId}/rooms/{roomId}/tags/{tag}")
        return [
            route("GET", everywhere, self.get, section=_CONFIG),
            route("PUT", everywhere, self.put, section=_CONFIG),
            route("GET", in_room, self.get, section=_CONFIG),
            route("PUT", in_room, self.put, section=_CONFIG),
            route("DELETE", deletion, self.delete, section=_CONFIG),
            route("GET", tags, self.list_tags, section=_TAGGING),
            route("PUT", tag, self.put_tag, section=_TAGGING),
            route("DELETE", tag, self.delete_tag, section=_TAGGING),
        ]

    async def get(self, request: Request) -> Answer:
        """``GET .../account_data/{type}``"""
        user_id = own_user_id(request)
        type = request.parameters["type"]
        return Answer(await self._account_data.get(user_id, _room_id(request), type))

    async def put(self, request: Request) -> Answer:
        """``PUT .../account_data/{type}``"""
        user_id = own_user_id(request)
        room_id = _room_id(request)
        request.body_object()
        # Kept as it was sent, but for white space: clients may rely on the exact numbers.
        content = msgspec.json.format(request.body_bytes() or b"{}", indent=-1)
        await self._account_data.put(user_id, room_id, request.parameters["type"], content)
        return EMPTY

    async def delete(self, request: Request) -> Answer:
        """``DELETE .../account_data/{type}``"""
        user_id, room_id = own_user_id(request), _room_id(request)
        await self._account_data.delete(user_id, room_id, request.parameters["type"])
        return EMPTY

    async def list_tags(self, request: Request) -> Answer:
        """``GET /user/{userId}/rooms/{roomId}/tags``"""
        user_id = own_user_id(request)
        return ok({"tags": await self._tags.list(user_id, _tagged_room(request))})

    async def put_tag(self, request: Request) -> Answer:
        """``PUT /user/{userId}/rooms/{roomId}/tags/{tag}``"""
        user_id, room_id = own_user_id(request), _tagged_room(request)
        await self._tags.put(user_id, room_id, request.parameters["tag"], request.body_object())
        return EMPTY

    async def delete_tag(self, request: Request) -> Answer:
        """``DELETE /user/{userId}/rooms/{roomId}/tags/{tag}``"""
        user_id, room_id = own_user_id(request), _tagged_room(request)
        await self._tags.delete(user_id, room_id, request.parameters["tag"])
        return EMPTY


def _room_id(request: Request) -> RoomId | None:
    room_id = request.parameters.get("roomId")
    return parse_room_id(room_id) if room_id is not None else None


def _tagged_room(request: Request) -> RoomId:
    return parse_room_id(request.parameters["roomId"])
