"""Backups of the keys of encrypted rooms.

Client-server API, "Server-side key backups".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam, MissingParam, NotFound
from homeserver.domain.identifiers import MAX_IDENTIFIER_BYTES, RoomId, parse_room_id
from homeserver.domain.key_backup import BackedUpKey
from homeserver.http.answers import EMPTY, Answer, encode_json, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route
from homeserver.ports.encryption.key_backup import KeyBackup
from homeserver.services.encryption.key_backup import BackupState, KeyBackups, Selection

_SECTION: Final = "Server-side key backups"
_LARGEST: Final = 2**53 - 1


class BackupBody(msgspec.Struct):
    """The body of ``POST /room_keys/version`` and ``PUT /room_keys/version/{version}``."""

    algorithm: str
    auth_data: dict[str, Any]
    version: str | None = None


class KeyBody(msgspec.Struct):
    """A key in a backup."""

    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: dict[str, Any]


class RoomKeysBody(msgspec.Struct):
    """The keys of a room."""

    sessions: dict[str, KeyBody]


class KeysBody(msgspec.Struct):
    """Keys of some rooms."""

    rooms: dict[str, RoomKeysBody]


class KeyBackupApi:
    """Versions of backups, and the keys in them."""

    def __init__(self, backups: KeyBackups) -> None:
        self._backups = backups

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        versions = client("/room_keys/version")
        version = client("/room_keys/version/{version}")
        keys = client("/room_keys/keys")
        of_room = client("/room_keys/keys/{roomId}")
        of_session = client("/room_keys/keys/{roomId}/{sessionId}")
        return [
            route("POST", versions, self.create, body=BackupBody, section=_SECTION),
            route("GET", versions, self.get_version, section=_SECTION),
            route("GET", version, self.get_version, section=_SECTION),
            route("PUT", version, self.update, body=BackupBody, section=_SECTION),
            route("DELETE", version, self.delete, section=_SECTION),
            route("PUT", keys, self.put_all, body=KeysBody, section=_SECTION),
            route("PUT", of_room, self.put_room, body=RoomKeysBody, section=_SECTION),
            route("PUT", of_session, self.put_session, body=KeyBody, section=_SECTION),
            route("GET", keys, self.get_all, section=_SECTION),
            route("GET", of_room, self.get_room, section=_SECTION),
            route("GET", of_session, self.get_session, section=_SECTION),
            *(
                route("DELETE", paths, self.remove, section=_SECTION)
                for paths in (keys, of_room, of_session)
            ),
        ]

    # --- versions

    async def create(self, request: Request, body: BackupBody) -> Answer:
        """``POST /room_keys/version``"""
        _check_text(body.algorithm, "algorithm")
        version = await self._backups.create(
            request.user_id, body.algorithm, encode_json(body.auth_data)
        )
        return ok({"version": version})

    async def get_version(self, request: Request) -> Answer:
        """``GET /room_keys/version`` and ``GET /room_keys/version/{version}``"""
        version = request.parameters.get("version")
        return ok(_backup_body(await self._backups.version(request.user_id, version)))

    async def update(self, request: Request, body: BackupBody) -> Answer:
        """``PUT /room_keys/version/{version}``"""
        version = request.parameters["version"]
        if body.version is not None and body.version != version:
            raise InvalidParam("Version does not match")
        await self._backups.update(
            request.user_id, version, body.algorithm, encode_json(body.auth_data)
        )
        return EMPTY

    async def delete(self, request: Request) -> Answer:
        """``DELETE /room_keys/version/{version}``"""
        await self._backups.delete(request.user_id, request.parameters["version"])
        return EMPTY

    # --- keys

    async def put_all(self, request: Request, body: KeysBody) -> Answer:
        """``PUT /room_keys/keys``"""
        keys = [key for room, some in body.rooms.items() for key in _room_keys(room, some)]
        return await self._put(request, keys)

    async def put_room(self, request: Request, body: RoomKeysBody) -> Answer:
        """``PUT /room_keys/keys/{roomId}``"""
        return await self._put(request, _room_keys(request.parameters["roomId"], body))

    async def put_session(self, request: Request, body: KeyBody) -> Answer:
        """``PUT /room_keys/keys/{roomId}/{sessionId}``"""
        session_id = request.parameters["sessionId"]
        return await self._put(request, [_key(request.parameters["roomId"], session_id, body)])

    async def _put(self, request: Request, keys: list[BackedUpKey]) -> Answer:
        state = await self._backups.put_keys(request.user_id, _selection(request).version, keys)
        return _state_answer(state)

    async def get_all(self, request: Request) -> Answer:
        """``GET /room_keys/keys``"""
        rooms: dict[RoomId, list[BackedUpKey]] = defaultdict(list)
        for key in await self._backups.keys(request.user_id, _selection(request)):
            rooms[key.room_id].append(key)
        return ok({"rooms": {room_id: _sessions_body(keys) for room_id, keys in rooms.items()}})

    async def get_room(self, request: Request) -> Answer:
        """``GET /room_keys/keys/{roomId}``"""
        return ok(_sessions_body(await self._backups.keys(request.user_id, _selection(request))))

    async def get_session(self, request: Request) -> Answer:
        """``GET /room_keys/keys/{roomId}/{sessionId}``"""
        keys = await self._backups.keys(request.user_id, _selection(request))
        if not keys:
            raise NotFound("Key not found")
        return ok(_key_body(keys[0]))

    async def remove(self, request: Request) -> Answer:
        """``DELETE /room_keys/keys``, also of one room and of one session."""
        return _state_answer(await self._backups.remove_keys(request.user_id, _selection(request)))


def _selection(request: Request) -> Selection:
    version = request.query_value("version")
    if version is None:
        raise MissingParam("The query must have a `version`")
    room_id, session_id = (request.parameters.get(name) for name in ("roomId", "sessionId"))
    if session_id is not None:
        _check_text(session_id, "session ID")
    return Selection(version, parse_room_id(room_id) if room_id is not None else None, session_id)


def _room_keys(room_id: str, body: RoomKeysBody) -> list[BackedUpKey]:
    return [_key(room_id, session_id, key) for session_id, key in body.sessions.items()]


def _key(room_id: str, session_id: str, body: KeyBody) -> BackedUpKey:
    _check_text(session_id, "session ID")
    for number in (body.first_message_index, body.forwarded_count):
        if not 0 <= number <= _LARGEST:
            raise InvalidParam("An index or count is out of range")
    return BackedUpKey(
        parse_room_id(room_id),
        session_id,
        body.first_message_index,
        body.forwarded_count,
        body.is_verified,
        encode_json(body.session_data),
    )


def _check_text(text: str, kind: str) -> None:
    if not text or "\0" in text or len(text.encode()) > MAX_IDENTIFIER_BYTES:
        raise InvalidParam(f"This is not a valid {kind}")


def _backup_body(backup: KeyBackup) -> JsonObject:
    return {
        "algorithm": backup.algorithm,
        "auth_data": msgspec.Raw(backup.auth_data),
        "count": backup.key_count,
        "etag": str(backup.etag),
        "version": str(backup.version),
    }


def _sessions_body(keys: Iterable[BackedUpKey]) -> JsonObject:
    return {"sessions": {key.session_id: _key_body(key) for key in keys}}


def _key_body(key: BackedUpKey) -> JsonObject:
    return {
        "first_message_index": key.first_message_index,
        "forwarded_count": key.forwarded_count,
        "is_verified": key.is_verified,
        "session_data": msgspec.Raw(key.session_data),
    }


def _state_answer(state: BackupState) -> Answer:
    return ok({"etag": state.etag, "count": state.count})
