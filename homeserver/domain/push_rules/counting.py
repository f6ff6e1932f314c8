"""Unread counts without evaluating the rules of every member for every event.

A room numbers those of its events that notify a member with the predefined rules, and remembers
which of them highlight for everyone. These numbers serve every user of a class other than
`CountingClass.INDIVIDUAL`:

- `default_outcome` says what an event adds for all members but its sender and those whom it
  concerns in person, and `outcome_in_class` what that comes to in each class;
- `mention_candidates` are those whom it concerns in person. Their own rules are evaluated, and
  never count less than their class does; what is more is theirs alone. Only users of the class
  NOTHING need no evaluation.

A class is exact: it is given only where the rules that apply in a room count the same for every
event that could be sent. When that is not plain from the rules, users are counted individually.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from operator import itemgetter
from typing import Final, TypeAlias

import attrs

from homeserver.domain.events import Event
from homeserver.domain.globs import is_literal_glob
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.push_rules.conditions import (
    OWN_USER_ID,
    Condition,
    EventMatch,
    EventPropertyContains,
    EventPropertyIs,
    UnrecognisedCondition,
)
from homeserver.domain.push_rules.evaluate import (
    COMPILED_RULESETS,
    compile_rules,
    rule_conditions,
)
from homeserver.domain.push_rules.model import PushRule, RuleKind
from homeserver.domain.push_rules.predicates import (
    Recipient,
    RoomContext,
    compile_pattern,
)
from homeserver.domain.push_rules.user_rules import UserPushRules


class CountingClass(Enum):
    """How the unread events of a user in a room are counted."""

    DEFAULT = auto()
    """As by the predefined rules."""
    NOTHING = auto()
    """No event notifies."""
    MENTIONS_ONLY = auto()
    """Only what mentions the user or highlights for the whole room notifies."""
    INDIVIDUAL = auto()
    """The user's rules are evaluated for every event."""


@attrs.frozen
class DefaultOutcome:
    """What an event adds to the counts of those members whom it does not concern in person."""

    notifies: bool
    room_highlight: bool
    """Whether it is highlighted, for every member; never without ``notifies``."""


_PlacedRule: TypeAlias = tuple[int, PushRule]
"""An enabled rule and its place in the order in which rules are checked."""


@attrs.frozen(eq=False)
class CountingClasses:
    """The class of a user in every room."""

    elsewhere: CountingClass
    """The class in all rooms but the named ones."""
    _general_rules: tuple[_PlacedRule, ...]
    _rules_of_rooms: Mapping[str, Sequence[_PlacedRule]]
    """The rules that single out a room, by its ID, lowered."""

    @property
    def named_rooms(self) -> Collection[str]:
        """The IDs, lowered, of the rooms that rules single out."""
        return self._rules_of_rooms.keys()

    def in_room(self, room_id: RoomId) -> CountingClass:
        """The class in a room. It takes no longer when other rooms are singled out."""
        rules_of_room = self._rules_of_rooms.get(room_id.lower())
        if rules_of_room is None:
            return self.elsewhere
        rules = sorted((*self._general_rules, *rules_of_room), key=itemgetter(0))
        return _class_of_steps(_steps((rule for _, rule in rules), room_id))


def default_outcome(event: Event, room: RoomContext) -> DefaultOutcome:
    """What the predefined rules do for members who neither sent the event nor are candidates."""
    actions = _IMPERSONAL_RULES.first_match(event, room, _ANYONE)
    if actions is None:
        return DefaultOutcome(notifies=False, room_highlight=False)
    return DefaultOutcome(notifies=actions.notify, room_highlight=actions.highlight)


def outcome_in_class(counting_class: CountingClass, outcome: DefaultOutcome) -> DefaultOutcome:
    """What an event with this default outcome adds for the users of a class.

    Raises ValueError for the class INDIVIDUAL, in which there is no common outcome.
    """
    match counting_class:
        case CountingClass.DEFAULT:
            return outcome
        case CountingClass.NOTHING:
            return DefaultOutcome(notifies=False, room_highlight=False)
        case CountingClass.MENTIONS_ONLY:
            return DefaultOutcome(outcome.room_highlight, outcome.room_highlight)
        case CountingClass.INDIVIDUAL:
            raise ValueError("The rules of these users are evaluated one by one")


def mention_candidates(event: Event) -> frozenset[UserId]:
    """The users, of any server, whom an event concerns in person: mentioned or invited.

    The IDs come from the content of the event and may be any text.
    """
    candidates: set[str] = set()
    mentions = event.content.get("m.mentions")
    user_ids = mentions.get("user_ids") if isinstance(mentions, dict) else None
    if isinstance(user_ids, list):
        candidates.update(user_id for user_id in user_ids if isinstance(user_id, str))
    if event.state_key is not None and _is_invite(event):
        candidates.add(event.state_key)
    candidates.discard(event.sender)
    return frozenset(map(UserId, candidates))


def classify(rules: UserPushRules, room_id: RoomId) -> CountingClass:
    """The class of a user with these rules in a room."""
    return counting_classes(rules).in_room(room_id)


@lru_cache(maxsize=COMPILED_RULESETS)
def counting_classes(rules: UserPushRules) -> CountingClasses:
    """The classes of a user with these rules, everywhere."""
    general_rules = []
    rules_of_rooms = defaultdict(list)
    for placed_rule in enumerate(rule for rule in rules.ruleset if rule.enabled):
        rooms = {name.lower() for name in _rooms_named_by(placed_rule[1])}
        for room in rooms:
            rules_of_rooms[room].append(placed_rule)
        if not rooms:
            general_rules.append(placed_rule)
    return CountingClasses(
        elsewhere=_class_of_steps(_steps((rule for _, rule in general_rules), None)),
        general_rules=tuple(general_rules),
        rules_of_rooms=dict(rules_of_rooms),
    )


@attrs.frozen
class _Step:
    """A rule as far as it matters to counting, with what must still hold in a certain room."""

    conditions: frozenset[Condition]
    notify: bool
    highlight: bool

    @property
    def is_user_mention(self) -> bool:
        return self.conditions == _USER_MENTION

    @property
    def is_personal(self) -> bool:
        """Whether it can match for mention candidates only."""
        return self.is_user_mention or self.conditions == _OWN_INVITE


_USER_MENTION: Final[frozenset[Condition]] = frozenset(
    {EventPropertyContains(r"content.m\.mentions.user_ids", OWN_USER_ID)}
)
_OWN_INVITE: Final[frozenset[Condition]] = frozenset(
    {
        EventMatch("type", "m.room.member"),
        EventMatch("content.membership", "invite"),
        EventMatch("state_key", OWN_USER_ID),
    }
)


def _steps(rules: Iterable[PushRule], room_id: RoomId | None) -> list[_Step]:
    """The enabled rules that can be reached in a room, in order.

    None stands for any room that no rule singles out.
    """
    steps = []
    for rule in rules:
        conditions = _open_conditions(rule, room_id)
        if conditions is None:
            continue
        notify = rule.actions.notify
        steps.append(_Step(conditions, notify, notify and rule.actions.highlight))
        if not conditions:
            break
    return steps


def _class_of_steps(steps: list[_Step]) -> CountingClass:
    if not any(step.notify for step in steps):
        return CountingClass.NOTHING
    if any(step.is_user_mention and not step.highlight for step in steps):
        # A mention could count less than the class does, and not only more.
        return CountingClass.INDIVIDUAL
    impersonal = _impersonal(steps)
    if impersonal == _DEFAULT_STEPS:
        return CountingClass.DEFAULT
    if impersonal == _MENTIONS_ONLY_STEPS:
        return CountingClass.MENTIONS_ONLY
    return CountingClass.INDIVIDUAL


def _impersonal(steps: list[_Step]) -> list[_Step]:
    """The steps that decide for those who are not mention candidates.

    Steps at the end that do not notify do what happens without them.
    """
    impersonal = [step for step in steps if not step.is_personal]
    while impersonal and not impersonal[-1].notify:
        impersonal.pop()
    return impersonal


def _open_conditions(rule: PushRule, room_id: RoomId | None) -> frozenset[Condition] | None:
    """What decides about the rule in a room, once the room is known; None if it never matches."""
    match rule.kind:
        case RuleKind.ROOM:
            return frozenset() if rule.rule_id == room_id else None
        case RuleKind.SENDER:
            return frozenset({EventPropertyIs("sender", rule.rule_id)})
    open_conditions = set()
    for condition in rule_conditions(rule):
        holds = _holds_in_room(condition, room_id)
        if holds is False:
            return None
        if holds is None:
            open_conditions.add(condition)
    return frozenset(open_conditions)


def _holds_in_room(condition: Condition, room_id: RoomId | None) -> bool | None:
    """Whether a condition holds for all events of a room or for none; None if it depends."""
    match condition:
        case EventMatch("room_id", str(pattern)) if is_literal_glob(pattern):
            return room_id is not None and pattern.lower() == room_id.lower()
        case EventMatch("room_id", str(pattern)) if room_id is not None:
            return compile_pattern("room_id", pattern)(room_id.lower())
        case EventPropertyIs("room_id", value):
            return room_id is not None and value == room_id
        case UnrecognisedCondition():
            return False
    return None


def _rooms_named_by(rule: PushRule) -> list[str]:
    if rule.kind is RuleKind.ROOM:
        return [rule.rule_id]
    names = []
    for condition in rule.conditions:
        match condition:
            case EventMatch("room_id", str(pattern)) if is_literal_glob(pattern):
                names.append(pattern)
            case EventPropertyIs("room_id", str(value)):
                names.append(value)
    return names


def _is_invite(event: Event) -> bool:
    """Whether the rule about the user's own invites can match."""
    membership = event.content.get("membership")
    return (
        event.type.lower() == "m.room.member"
        and isinstance(membership, str)
        and membership.lower() == "invite"
    )


_PREDEFINED: Final = tuple(rule for rule in UserPushRules().ruleset if rule.enabled)
_ANYONE: Final = Recipient(UserId(""), display_name=None)
_IMPERSONAL_RULES: Final = compile_rules(
    rule for rule in _PREDEFINED if frozenset(rule.conditions) not in (_USER_MENTION, _OWN_INVITE)
)
_DEFAULT_STEPS: Final = _impersonal(_steps(_PREDEFINED, None))
_MENTIONS_ONLY_STEPS: Final = _impersonal(
    _steps((rule for rule in _PREDEFINED if rule.kind is RuleKind.OVERRIDE), None)
)
