"""Power levels: what each user of a room may do.

Specification: client-server API, `m.room.power_levels`; server-server API, "Definitions"; room
versions, "Authorisation rules" and "Deprecated event content schemas".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from homeserver.domain.errors import BadJson
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import UserId
from homeserver.domain.room_creators import privileged_creators, room_creator
from homeserver.domain.room_versions import RoomVersion

CREATOR_LEVEL: Final = 2**53
"""The infinite power of privileged creators: greater than any level an event can express."""

POWER_LEVELS_KEY: Final[StateKey] = ("m.room.power_levels", "")

DEFAULT_LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 0,
        "state_default": 50,
        "events_default": 0,
        "users_default": 0,
    }
)
"""The properties that are one level each, and what they are when an event does not have them."""

DEFAULT_NOTIFICATION_LEVEL: Final = 50

_CREATOR_LEVEL_WITHOUT_EVENT: Final = 100
_INTEGER_TEXT = re.compile(r"\s*[+-]?[0-9]{1,400}\s*")


def parse_power_level(value: Any, version: RoomVersion) -> int | None:
    """The level that a value of a power levels event stands for; None when it stands for none.

    Before room version 10 a decimal string, perhaps with sign, spaces and leading zeros, stands
    for its integer, and a float for its integral part.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if version.integer_power_levels:
        return None
    if isinstance(value, str) and _INTEGER_TEXT.fullmatch(value):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    return None


def check_power_level_content(content: Mapping[str, Any]) -> None:
    """Check that power levels which a client sets are integers, as the schema of the event asks in
    every room version. Raises BadJson."""
    for name in DEFAULT_LEVELS:
        if name in content and not _is_level(content[name]):
            raise BadJson(f"{name} must be an integer")
    for name in ("users", "events", "notifications"):
        entries = content.get(name, {})
        if not isinstance(entries, dict):
            raise BadJson(f"{name} must be an object")
        for key, level in entries.items():
            if not _is_level(level):
                raise BadJson(f"The level of {key} in {name} must be an integer")


def _is_level(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@attrs.frozen(eq=False)
class PowerLevels:
    """The power levels in force in a room.

    It reads the content of the event as it is asked, so making one costs the same in rooms with
    any number of users. What is missing or malformed in the content has its default.
    """

    _content: Mapping[str, Any]
    _creators: frozenset[UserId]
    _version: RoomVersion

    @classmethod
    def of(cls, content: Mapping[str, Any] | None, create_event: Event) -> PowerLevels:
        """The levels by the content of the current `m.room.power_levels` event.

        Without such an event (None) the creator of the room has 100, or infinite power.
        """
        version = create_event.version
        if content is None and not version.privileged_creators:
            content = {"users": {room_creator(create_event): _CREATOR_LEVEL_WITHOUT_EVENT}}
        return cls(content or {}, privileged_creators(create_event), version)

    @classmethod
    def in_state(cls, state: Mapping[StateKey, Event], create_event: Event) -> PowerLevels:
        """The levels in a room with this state."""
        event = state.get(POWER_LEVELS_KEY)
        return cls.of(None if event is None else event.content, create_event)

    @property
    def ban(self) -> int:
        return self._level("ban")

    @property
    def kick(self) -> int:
        return self._level("kick")

    @property
    def redact(self) -> int:
        """The level to redact events of others."""
        return self._level("redact")

    @property
    def invite(self) -> int:
        return self._level("invite")

    @property
    def state_default(self) -> int:
        return self._level("state_default")

    @property
    def events_default(self) -> int:
        return self._level("events_default")

    @property
    def users_default(self) -> int:
        return self._level("users_default")

    def user_level(self, user_id: str) -> int:
        """The level of a user, `CREATOR_LEVEL` for privileged creators."""
        if user_id in self._creators:
            return CREATOR_LEVEL
        level = self._entry("users", user_id)
        return self.users_default if level is None else level

    def event_level(self, event_type: str, *, is_state: bool) -> int:
        """The level required to send events of a type."""
        level = self._entry("events", event_type)
        if level is not None:
            return level
        return self.state_default if is_state else self.events_default

    def notification_level(self, key: str) -> int:
        """The level required to cause notifications of a kind, such as ``room`` for @room."""
        level = self._entry("notifications", key)
        return DEFAULT_NOTIFICATION_LEVEL if level is None else level

    def _level(self, name: str) -> int:
        level = parse_power_level(self._content.get(name), self._version)
        return DEFAULT_LEVELS[name] if level is None else level

    def _entry(self, name: str, key: str) -> int | None:
        entries = self._content.get(name)
        if not isinstance(entries, dict):
            return None
        return parse_power_level(entries.get(key), self._version)
