"""Labels that users put on their rooms.

Client-server API, "Room Tagging".
"""

from __future__ import annotations

from typing import Final

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, InvalidParam, NotFound
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.services.personal.account_data import AccountData

MAX_TAG_BYTES: Final = 255

_TYPE: Final = "m.tag"


class RoomTags:
    """The tags of a user's rooms; they are account data."""

    def __init__(self, account_data: AccountData) -> None:
        self._account_data = account_data

    async def list(self, user_id: UserId, room_id: RoomId) -> dict[str, JsonObject]:
        """The tags of a room and what is said about each."""
        try:
            content = await self._account_data.get(user_id, room_id, _TYPE)
        except NotFound:
            return {}
        return _tags(content)

    async def put(self, user_id: UserId, room_id: RoomId, tag: str, about: JsonObject) -> None:
        """Put a tag on a room. Raises InvalidParam for the tag, BadJson for what is said of it."""
        _check_tag(tag)
        _check_order(about)

        def add(before: bytes | None) -> bytes:
            return _content({**_tags(before), tag: about})

        await self._account_data.change(user_id, room_id, _TYPE, add)

    async def add(self, user_id: UserId, room_id: RoomId, tags: dict[str, JsonObject]) -> None:
        """Put tags on a room; those that it has already stay as they are."""

        def add(before: bytes | None) -> bytes:
            return _content({**tags, **_tags(before)})

        await self._account_data.change(user_id, room_id, _TYPE, add)

    async def delete(self, user_id: UserId, room_id: RoomId, tag: str) -> None:
        """Take a tag off a room, if it is there."""
        _check_tag(tag)

        def remove(before: bytes | None) -> bytes:
            return _content({name: about for name, about in _tags(before).items() if name != tag})

        await self._account_data.change(user_id, room_id, _TYPE, remove)


def _tags(content: bytes | None) -> dict[str, JsonObject]:
    # Clients may have written m.tag as plain account data, with whatever in it.
    tags = msgspec.json.decode(content).get("tags") if content is not None else None
    if not isinstance(tags, dict):
        return {}
    return {tag: about for tag, about in tags.items() if isinstance(about, dict)}


def _content(tags: dict[str, JsonObject]) -> bytes:
    return msgspec.json.encode({"tags": tags})


def _check_tag(tag: str) -> None:
    if not tag or len(tag.encode()) > MAX_TAG_BYTES:
        raise InvalidParam(f"A tag must have 1 to {MAX_TAG_BYTES} bytes")


def _check_order(about: JsonObject) -> None:
    order = about.get("order")
    if order is None:
        return
    if isinstance(order, bool) or not isinstance(order, int | float) or not 0 <= order <= 1:
        raise BadJson("The order of a tag must be a number from 0 to 1")
