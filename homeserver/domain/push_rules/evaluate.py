"""Which push rule applies to an event, and what it does.

Client-server API, push notifications, "Push Rules". A ruleset is compiled once for all users whose
rules are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import attrs

from homeserver.domain.events import Event
from homeserver.domain.globs import is_literal_glob
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.push_rules.actions import RuleActions
from homeserver.domain.push_rules.conditions import Condition, EventMatch
from homeserver.domain.push_rules.default_rules import DEFAULT_RULES
from homeserver.domain.push_rules.model import PushRule, RuleKind
from homeserver.domain.push_rules.predicates import (
    Predicate,
    Recipient,
    RoomContext,
    compile_condition,
)
from homeserver.domain.push_rules.user_rules import UserPushRules

COMPILED_RULESETS: Final = 4096
"""How many compiled rulesets are kept."""


@attrs.frozen
class PushActions:
    """What a push rule does about an event that it matches."""

    notify: bool
    highlight: bool
    """Whether the notification is highlighted; never without ``notify``."""
    sound: str | None
    rule_id: str
    actions: RuleActions
    """The full list, with all tweaks, for push gateways and ``GET /notifications``."""


_CompiledRule: TypeAlias = tuple[tuple[Predicate, ...], PushActions]


@attrs.frozen
class _RulesWithConditions:
    """The rules with conditions that can match events of one type."""

    before_room: tuple[_CompiledRule, ...]
    """Override and content rules."""
    underride: tuple[_CompiledRule, ...]


@attrs.frozen(eq=False)
class CompiledRuleset:
    """The enabled rules of a ruleset, arranged for evaluation."""

    by_type: Mapping[str, _RulesWithConditions]
    """For the lowered event types that predefined rules name."""
    other_types: _RulesWithConditions
    room: Mapping[RoomId, PushActions]
    sender: Mapping[UserId, PushActions]

    def first_match(
        self, event: Event, room: RoomContext, recipient: Recipient
    ) -> PushActions | None:
        """What the first rule that matches does, whoever sent the event; None if none does."""
        rules = self.by_type.get(event.type.lower(), self.other_types)
        return (
            _first_of(rules.before_room, event, room, recipient)
            or self.room.get(event.room_id)
            or self.sender.get(event.sender)
            or _first_of(rules.underride, event, room, recipient)
        )


def evaluate(
    compiled: CompiledRuleset, event: Event, room: RoomContext, recipient: Recipient
) -> PushActions | None:
    """What the rules of ``recipient`` do about an event in a room.

    None if no rule matches, and for the recipient's own events.
    """
    if event.sender == recipient.user_id:
        return None
    return compiled.first_match(event, room, recipient)


@lru_cache(maxsize=COMPILED_RULESETS)
def compile_user_rules(rules: UserPushRules) -> CompiledRuleset:
    """Compile the rules of a user; equal rules give the same object while it is remembered."""
    return compile_rules(rules.ruleset)


def compile_rules(rules: Iterable[PushRule]) -> CompiledRuleset:
    """Compile rules that stand in the order in which they are checked."""
    enabled = [rule for rule in rules if rule.enabled]
    before_room = [r for r in enabled if r.kind in (RuleKind.OVERRIDE, RuleKind.CONTENT)]
    underride = [rule for rule in enabled if rule.kind is RuleKind.UNDERRIDE]

    def with_conditions(event_type: str | None) -> _RulesWithConditions:
        return _RulesWithConditions(
            _compile_for(event_type, before_room), _compile_for(event_type, underride)
        )

    return CompiledRuleset(
        by_type={event_type: with_conditions(event_type) for event_type in _INDEXED_TYPES},
        other_types=with_conditions(None),
        room={
            RoomId(rule.rule_id): _push_actions(rule)
            for rule in enabled
            if rule.kind is RuleKind.ROOM
        },
        sender={
            UserId(rule.rule_id): _push_actions(rule)
            for rule in enabled
            if rule.kind is RuleKind.SENDER
        },
    )


def rule_conditions(rule: PushRule) -> tuple[Condition, ...]:
    """What must hold for an override, underride or content rule to match."""
    if rule.pattern is not None:
        return (EventMatch("content.body", rule.pattern),)
    return rule.conditions


def _first_of(
    rules: tuple[_CompiledRule, ...], event: Event, room: RoomContext, recipient: Recipient
) -> PushActions | None:
    for predicates, actions in rules:
        for predicate in predicates:
            if not predicate(event, room, recipient):
                break
        else:
            return actions
    return None


def _compile_for(event_type: str | None, rules: Iterable[PushRule]) -> tuple[_CompiledRule, ...]:
    """Compile those rules that can match events of a type; None stands for all other types."""
    compiled = []
    for rule in rules:
        conditions = [
            condition
            for condition in rule_conditions(rule)
            if event_type is None or _literal_type(condition) != event_type
        ]
        types = {_literal_type(condition) for condition in conditions} - {None}
        if types if event_type is not None else types & _INDEXED_TYPES:
            continue
        predicates = [compile_condition(condition) for condition in conditions]
        if None not in predicates:
            compiled.append((tuple(p for p in predicates if p), _push_actions(rule)))
    return tuple(compiled)


def _literal_type(condition: Condition) -> str | None:
    """The one event type, lowered, for which a condition holds, if it asks for just that."""
    match condition:
        case EventMatch("type", str(pattern)) if is_literal_glob(pattern):
            return pattern.lower()
    return None


def _push_actions(rule: PushRule) -> PushActions:
    actions = rule.actions
    return PushActions(
        notify=actions.notify,
        highlight=actions.notify and actions.highlight,
        sound=actions.sound,
        rule_id=rule.rule_id,
        actions=actions,
    )


_INDEXED_TYPES: Final = frozenset(
    event_type
    for rule in DEFAULT_RULES.values()
    for event_type in map(_literal_type, rule.conditions)
    if event_type is not None
)
