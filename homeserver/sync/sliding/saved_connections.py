"""The stored form of a connection: what it was sent, without what may be sent again."""

from __future__ import annotations

import msgspec

from homeserver.log.tokens import SyncToken
from homeserver.sync.sliding.connections import Connection, Pending, SentRoom
from homeserver.sync.sliding.required_state import RequiredState, StateRule
from homeserver.sync.sliding.room_configs import RoomConfig

_LIVE = -1

_Patterns = list[tuple[str | None, str | None]]
_Rooms = list[tuple[int, int, int]]
"""Room, number of its config, and the position it was told up to or -1."""


class _Config(msgspec.Struct, array_like=True):
    timeline_limit: int
    rules: list[tuple[_Patterns, _Patterns, bool]]


class _Pending(msgspec.Struct, array_like=True):
    answer: int
    parent: int
    token: tuple[int, ...]
    rooms: _Rooms


class _Saved(msgspec.Struct, array_like=True):
    change: int
    token: tuple[int, ...] | None
    configs: list[_Config]
    rooms: _Rooms
    pending: list[_Pending]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Saved).decode


def saved(connection: Connection) -> bytes:
    """The stored form of a connection."""
    numbers: dict[RoomConfig, int] = {}

    def rows(rooms: dict[int, SentRoom]) -> _Rooms:
        return [
            (
                nid,
                numbers.setdefault(sent.config, len(numbers)),
                sent.behind if sent.behind is not None else _LIVE,
            )
            for nid, sent in rooms.items()
        ]

    rooms = rows(connection.rooms)
    pending = [
        _Pending(answer, p.parent, p.token.positions, rows(dict(p.changes)))
        for answer, p in connection.pending.items()
    ]
    token = connection.token.positions if connection.token is not None else None
    return _encode(_Saved(connection.change, token, list(map(_config, numbers)), rooms, pending))


def restored(secret: bytes, state: bytes) -> Connection:
    """The connection of its stored form."""
    found = _decode(state)
    configs = [_room_config(config) for config in found.configs]

    def sent(rows: _Rooms) -> dict[int, SentRoom]:
        return {
            nid: SentRoom(configs[number], behind if behind != _LIVE else None)
            for nid, number, behind in rows
        }

    connection = Connection(secret)
    connection.is_restored = True
    connection.change = connection.answers = found.change
    connection.token = SyncToken(found.token) if found.token is not None else None
    connection.rooms = sent(found.rooms)
    connection.pending = {
        p.answer: Pending(p.parent, SyncToken(p.token), sent(p.rooms)) for p in found.pending
    }
    return connection


def _config(config: RoomConfig) -> _Config:
    return _Config(
        config.timeline_limit,
        [(list(r.include), list(r.exclude), r.lazy) for r in config.required_state.rules],
    )


def _room_config(config: _Config) -> RoomConfig:
    rules = (
        StateRule(frozenset(include), frozenset(exclude), lazy)
        for include, exclude, lazy in config.rules
    )
    return RoomConfig(config.timeline_limit, RequiredState(frozenset(rules)))
