"""A sliding sync as asked for: one model for the two shapes that clients send.

MSC4186, "Request Body"; the shape under the proposal's unstable name is told by its changelog.
What clients repeat with every request (lists, subscriptions) is recognised by its bytes, so that it
is taken apart once on a connection.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from homeserver.domain.errors import BadJson, InvalidParam, MissingParam
from homeserver.domain.identifiers import DeviceId, RoomId, UserId, is_opaque_identifier
from homeserver.sync.sliding.list_filters import ListFilter
from homeserver.sync.sliding.lists import SlidingList
from homeserver.sync.sliding.required_state import MEMBER, RequiredState, StatePattern, StateRule
from homeserver.sync.sliding.room_configs import LARGEST_TIMELINE, RoomConfig

MOST_LISTS: Final = 100
MOST_SUBSCRIPTIONS: Final = 100
MOST_CONN_ID_BYTES: Final = 255
MOST_PATTERNS: Final = 200
"""As many elements a required state may have."""

_ME: Final = "$ME"
_LAZY: Final = "$LAZY"
_NOTHING: Final = b"{}"


class Shape(enum.Enum):
    """Which of the two forms of the API is spoken."""

    STABLE = "v4"
    UNSTABLE = "org.matrix.simplified_msc3575"


class ExtensionConfig(msgspec.Struct, frozen=True):
    """What a client asks of one extension; each uses some of these.

    ``lists`` and ``rooms`` are None when they were not sent, which stands for all lists and
    subscriptions, as does "*" in them.
    """

    enabled: bool = False
    lists: list[str] | None = None
    rooms: list[str] | None = None
    since: str | None = None
    limit: int | None = None


@attrs.frozen(slots=True, eq=False)
class Rules:
    """The rules by which rooms are chosen, and the bytes that told them.

    Requests of a connection that repeat these bytes have the same object.
    """

    lists: Mapping[str, SlidingList]
    subscriptions: Mapping[RoomId, RoomConfig]
    source: tuple[Shape, bytes, bytes]


@attrs.frozen(slots=True)
class SlidingRequest:
    """A sliding sync as asked for; ``extensions`` are those that are enabled."""

    user_id: UserId
    device_id: DeviceId | None
    shape: Shape
    conn_id: str
    pos: str | None
    timeout_ms: int
    rules: Rules
    extensions: Mapping[str, ExtensionConfig]
    txn_id: str | None = None

    @property
    def lists(self) -> Mapping[str, SlidingList]:
        """The lists by their keys."""
        return self.rules.lists

    @property
    def subscriptions(self) -> Mapping[RoomId, RoomConfig]:
        """The rooms that are subscribed to."""
        return self.rules.subscriptions


class SlidingBody(msgspec.Struct):
    """The body of a request, in either shape; in the unstable one the query has some of it."""

    conn_id: str = ""
    pos: str | None = None
    timeout: int = 0
    set_presence: str = "online"
    txn_id: str | None = None
    lists: msgspec.Raw = msgspec.Raw(_NOTHING)
    room_subscriptions: msgspec.Raw = msgspec.Raw(_NOTHING)
    extensions: dict[str, ExtensionConfig | None] = msgspec.field(default_factory=dict)


@attrs.frozen(slots=True)
class Asked:
    """Who asks, in which shape, and what; ``pos`` and ``timeout_ms`` may be of the query."""

    user_id: UserId
    device_id: DeviceId | None
    shape: Shape
    body: SlidingBody
    pos: str | None
    timeout_ms: int


def sliding_request(asked: Asked, known: Rules | None = None) -> SlidingRequest:
    """The request of a body; ``known`` are the rules of the one before. BadJson,
    MissingParam or InvalidParam when it does not fit."""
    body = asked.body
    if len(body.conn_id.encode()) > MOST_CONN_ID_BYTES:
        raise InvalidParam("conn_id is too long")
    source = (asked.shape, bytes(body.lists), bytes(body.room_subscriptions))
    return SlidingRequest(
        user_id=asked.user_id,
        device_id=asked.device_id,
        shape=asked.shape,
        conn_id=body.conn_id,
        pos=asked.pos or None,
        timeout_ms=asked.timeout_ms,
        rules=known if known is not None and known.source == source else _rules(source, asked),
        extensions={n: c for n, c in body.extensions.items() if c is not None and c.enabled},
        txn_id=body.txn_id,
    )


# --- the models of the JSON


class _Filters(msgspec.Struct):
    is_dm: bool | None = None
    is_encrypted: bool | None = None
    is_invited: bool | None = None
    is_invite: bool | None = None
    room_types: list[str | None] | None = None
    not_room_types: list[str | None] | None = None
    spaces: list[str] | None = None
    tags: list[str] | None = None
    not_tags: list[str] | None = None


class _Element(msgspec.Struct):
    type: str | None = None
    state_key: str | None = None


class _RequiredState(msgspec.Struct):
    include: list[_Element] = msgspec.field(default_factory=list)
    exclude: list[_Element] = msgspec.field(default_factory=list)
    lazy_members: bool = False


class _Config(msgspec.Struct):
    timeline_limit: int
    required_state: _RequiredState


class _List(_Config):
    range: tuple[int, int] | None = None
    filters: _Filters | None = None


class _UnstableConfig(msgspec.Struct):
    timeline_limit: int = 0
    required_state: list[tuple[str, str]] = msgspec.field(default_factory=list)


class _UnstableList(_UnstableConfig):
    ranges: list[tuple[int, int]] | None = None
    range: tuple[int, int] | None = None
    filters: _Filters | None = None


_stable_lists = msgspec.json.Decoder(dict[str, _List])
_stable_subscriptions = msgspec.json.Decoder(dict[str, _Config])
_unstable_lists = msgspec.json.Decoder(dict[str, _UnstableList])
_unstable_subscriptions = msgspec.json.Decoder(dict[str, _UnstableConfig])


def _decoded(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        message = str(error)
        is_missing = "missing required field" in message
        raise (MissingParam(message) if is_missing else BadJson(message)) from None


# --- what they mean


def _rules(source: tuple[Shape, bytes, bytes], by: Asked) -> Rules:
    shape, lists, subscriptions = source
    asked: Mapping[str, _List | _UnstableList]
    subscribed: Mapping[str, _Config | _UnstableConfig]
    if shape is Shape.STABLE:
        asked = _decoded(_stable_lists, lists)
        subscribed = _decoded(_stable_subscriptions, subscriptions)
    else:
        asked = _decoded(_unstable_lists, lists)
        subscribed = _decoded(_unstable_subscriptions, subscriptions)
    if len(asked) > MOST_LISTS:
        raise InvalidParam(f"There may be at most {MOST_LISTS} lists")
    if len(subscribed) > MOST_SUBSCRIPTIONS:
        raise InvalidParam(f"There may be at most {MOST_SUBSCRIPTIONS} room subscriptions")
    for key in asked:
        if shape is Shape.STABLE and not is_opaque_identifier(key):
            raise InvalidParam("The key of a list is not an opaque identifier")
    return Rules(
        {key: _list(value, by.user_id) for key, value in asked.items()},
        {RoomId(room): _config(value, by.user_id) for room, value in subscribed.items()},
        source,
    )


def _list(asked: _List | _UnstableList, user_id: UserId) -> SlidingList:
    ranges: list[tuple[int, int]] | None
    if isinstance(asked, _UnstableList) and asked.ranges is not None:
        ranges = asked.ranges
    else:
        ranges = [asked.range] if asked.range is not None else None
    for start, end in ranges or ():
        if not 0 <= start <= end:
            raise InvalidParam("A range must go from an index to the same or a later one")
    return SlidingList(
        config=_config(asked, user_id),
        filter=_filter(asked.filters or _Filters()),
        ranges=tuple(ranges) if ranges is not None else None,
    )


def _config(asked: _Config | _UnstableConfig, user_id: UserId) -> RoomConfig:
    if asked.timeline_limit < 0:
        raise InvalidParam("timeline_limit must not be negative")
    if isinstance(asked, _Config):
        rule = _stable_rule(asked.required_state)
    else:
        rule = _unstable_rule(asked.required_state, user_id)
    if len(rule.include) + len(rule.exclude) > MOST_PATTERNS:
        raise InvalidParam("required_state has too many elements")
    return RoomConfig(min(asked.timeline_limit, LARGEST_TIMELINE), RequiredState.of(rule))


def _stable_rule(asked: _RequiredState) -> StateRule:
    return StateRule(
        frozenset((e.type, e.state_key) for e in asked.include),
        frozenset((e.type, e.state_key) for e in asked.exclude),
        asked.lazy_members,
    )


def _unstable_rule(asked: list[tuple[str, str]], user_id: UserId) -> StateRule:
    patterns: set[StatePattern] = set()
    lazy = False
    for type, state_key in asked:
        if (type, state_key) == (MEMBER, _LAZY):
            lazy = True
            continue
        key = user_id if state_key == _ME else state_key
        patterns.add((None if type == "*" else type, None if key == "*" else key))
    # Whoever names every member wants them, whatever else they say.
    return StateRule(frozenset(patterns), frozenset(), lazy and (MEMBER, None) not in patterns)


def _filter(asked: _Filters) -> ListFilter:
    is_invited = asked.is_invited if asked.is_invited is not None else asked.is_invite
    return ListFilter(
        is_dm=asked.is_dm,
        is_encrypted=asked.is_encrypted,
        is_invited=is_invited,
        room_types=_set(asked.room_types),
        not_room_types=_set(asked.not_room_types) or frozenset(),
        spaces=_set(asked.spaces),
        tags=_set(asked.tags),
        not_tags=_set(asked.not_tags) or frozenset(),
    )


def _set(values: list[Any] | None) -> frozenset[Any] | None:
    return frozenset(values) if values is not None else None
