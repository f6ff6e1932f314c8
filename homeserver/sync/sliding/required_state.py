"""Which state of a room a client wants. MSC4186, "RequiredStateRequest".

What several rules ask for is kept as it came and joined by "or", so that no combination loses
anything. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import attrs

from homeserver.domain.events import StateKey
from homeserver.domain.identifiers import UserId

MEMBER: Final = "m.room.member"

StatePattern = tuple[str | None, str | None]
"""A type and a state key; None stands for any."""

# What a client wants on a connection may be widened so often before the server stops remembering
# all that it has wanted.
MOST_RULES: Final = 16


@attrs.frozen(slots=True, cache_hash=True)
class StateRule:
    """What one list or subscription asks for.

    With ``lazy`` members are left out until something of them is shown, except those who are
    included by their ID.
    """

    include: frozenset[StatePattern] = frozenset()
    exclude: frozenset[StatePattern] = frozenset()
    lazy: bool = False

    def matches(self, type: str, state_key: str) -> bool:
        """Whether a place of the state is asked for."""
        include = self.include
        if self.lazy and type == MEMBER:
            is_included = (type, state_key) in include or (None, state_key) in include
        else:
            is_included = _is_among(include, type, state_key)
        return is_included and not (self.exclude and _is_among(self.exclude, type, state_key))

    @property
    def includes_all_members(self) -> bool:
        """Whether it asks for every member of a room."""
        every = {(None, None), (MEMBER, None)}
        return not self.lazy and bool(every & self.include) and not every & self.exclude


def _is_among(patterns: frozenset[StatePattern], type: str, state_key: str) -> bool:
    return (
        (type, state_key) in patterns
        or (type, None) in patterns
        or (None, None) in patterns
        or (None, state_key) in patterns
    )


@attrs.frozen(slots=True, cache_hash=True)
class RequiredState:
    """What all rules together ask for."""

    rules: frozenset[StateRule] = frozenset()

    @classmethod
    def of(cls, *rules: StateRule) -> RequiredState:
        """What some rules ask for."""
        return cls(frozenset(rule for rule in rules if rule.include or rule.lazy))

    def matches(self, type: str, state_key: str) -> bool:
        """Whether a place of the state is asked for, not counting lazily loaded members."""
        return any(rule.matches(type, state_key) for rule in self.rules)

    @property
    def lazy(self) -> bool:
        """Whether members go along with what they sent."""
        return any(rule.lazy for rule in self.rules) and not self.includes_all_members

    @property
    def includes_all_members(self) -> bool:
        """Whether every member is asked for."""
        return any(rule.includes_all_members for rule in self.rules)

    def joined_with(self, other: RequiredState) -> RequiredState:
        """What either asks for."""
        if self.rules >= other.rules:
            return self
        return RequiredState(self.rules | other.rules)

    def asks_beyond(self, other: RequiredState) -> bool:
        """Whether it may ask for something that ``other`` does not."""
        return not self.rules <= other.rules

    def places(
        self, state: Mapping[StateKey, object], members: Iterable[UserId]
    ) -> Iterable[StateKey]:
        """The places that are asked for among the state of a room (without members) and its
        members; not those who are loaded lazily."""
        selection = _selection(self)
        if selection.has_wildcard:
            yield from (key for key in state if self.matches(*key))
        else:
            yield from (key for key in selection.exact if key in state)
        if selection.has_member_wildcard:
            yield from ((MEMBER, user) for user in members if self.matches(MEMBER, user))
        else:
            yield from ((MEMBER, user) for user in selection.members)


NOTHING_REQUIRED: Final = RequiredState()


@attrs.frozen(slots=True)
class _Selection:
    """How to look up what is asked for: single places, or every place that there is."""

    exact: tuple[StateKey, ...]
    has_wildcard: bool
    members: tuple[str, ...]
    has_member_wildcard: bool


@lru_cache(maxsize=4096)
def _selection(required: RequiredState) -> _Selection:
    exact: dict[StateKey, None] = {}
    members: dict[str, None] = {}
    has_wildcard = has_member_wildcard = False
    for rule in required.rules:
        for type, state_key in rule.include:
            if state_key is not None and type in (None, MEMBER):
                if rule.matches(MEMBER, state_key):
                    members[state_key] = None
            elif type in (None, MEMBER):
                has_member_wildcard = has_member_wildcard or not rule.lazy
            if type is None or (state_key is None and type != MEMBER):
                has_wildcard = True
            elif type != MEMBER and state_key is not None and rule.matches(type, state_key):
                exact[type, state_key] = None
    return _Selection(tuple(exact), has_wildcard, tuple(members), has_member_wildcard)
