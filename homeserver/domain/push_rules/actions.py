"""The actions of a push rule: whether it notifies, and how the notification is presented.

Client-server API, push notifications, "Actions".
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject, check_lenient, encode_lenient_json
from homeserver.domain.errors import BadJson

_HISTORICAL_ACTIONS: Final = ("dont_notify", "coalesce")
"""Actions of older specifications, which must be ignored."""


@attrs.frozen
class RuleActions:
    """A checked list of actions. Actions that this server does not know are kept for clients."""

    encoded: bytes
    """The JSON array, with the keys of its objects sorted: equal lists are equal bytes."""

    @classmethod
    def parse(cls, actions: object) -> RuleActions:
        """Check a list of actions as clients send it, and drop the historical ones.

        Raises BadJson.
        """
        if not isinstance(actions, list):
            raise BadJson("The actions of a push rule must be an array")
        for action in actions:
            _check_action(action)
        check_lenient(actions)
        return cls(
            encode_lenient_json([action for action in actions if action not in _HISTORICAL_ACTIONS])
        )

    def to_json(self) -> list[Any]:
        """A new list, as in the answers of the API."""
        actions: list[Any] = msgspec.json.decode(self.encoded, type=list)
        return actions

    @cached_property
    def notify(self) -> bool:
        return "notify" in self.to_json()

    @cached_property
    def tweaks(self) -> JsonObject:
        """The tweaks that a push gateway is told, with the values that they have by default.

        Do not change it.
        """
        return {
            action["set_tweak"]: action.get("value", True)
            for action in self.to_json()
            if isinstance(action, dict) and _is_complete_tweak(action)
        }

    @property
    def highlight(self) -> bool:
        return self.tweaks.get("highlight") is True

    @property
    def sound(self) -> str | None:
        sound = self.tweaks.get("sound")
        return sound if isinstance(sound, str) else None


def _check_action(action: object) -> None:
    if isinstance(action, str):
        return
    if not isinstance(action, dict):
        raise BadJson("An action must be a string or an object")
    if not isinstance(action.get("set_tweak", ""), str):
        raise BadJson("The name of a tweak must be a string")


def _is_complete_tweak(action: JsonObject) -> bool:
    """Only ``highlight`` has a value when none is given."""
    return "set_tweak" in action and ("value" in action or action["set_tweak"] == "highlight")
