"""The state of a room as far as it authorises events."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs

from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey
from homeserver.domain.membership import Membership, membership_of
from homeserver.domain.power_levels import PowerLevels


@attrs.frozen(eq=False)
class AuthorisingState:
    """A state that an event is checked against, and what it says about users."""

    create_event: Event
    state: Mapping[StateKey, Event]

    @cached_property
    def power_levels(self) -> PowerLevels:
        return PowerLevels.in_state(self.state, self.create_event)

    @property
    def join_rule(self) -> str:
        """How users may join: ``invite`` unless the room says otherwise."""
        event = self.state.get(("m.room.join_rules", ""))
        rule: Any = None if event is None else event.content.get("join_rule")
        return rule if isinstance(rule, str) else "invite"

    def membership(self, user_id: str) -> Membership:
        return membership_of(self.state.get(("m.room.member", user_id)))

    def user_level(self, user_id: str) -> int:
        return self.power_levels.user_level(user_id)

    def require_joined(self, user_id: str) -> None:
        """Raises Forbidden unless the user is joined to the room."""
        if self.membership(user_id) is not Membership.JOIN:
            raise Forbidden(f"{user_id} is not joined to the room")

    def require_level(self, user_id: str, level: int, purpose: str) -> None:
        """Raises Forbidden unless the user has a power level; ``purpose`` is for the message."""
        actual = self.user_level(user_id)
        if actual < level:
            raise Forbidden(
                f"{user_id} has power level {actual} and needs {level} {purpose} in this room"
            )
