"""The push rules of one user, as what differs from the predefined rules.

Client-server API, push notifications, "Push Rules: API". The value does not name its user: users
who made the same settings have equal values, and whatever is derived from them is shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam, NotFound, Unknown
from homeserver.domain.identifiers import UserId
from homeserver.domain.push_rules.actions import RuleActions
from homeserver.domain.push_rules.conditions import condition_json, restore_condition
from homeserver.domain.push_rules.default_rules import (
    DEFAULT_OVERRIDES,
    DEFAULT_RULES,
    DEFAULT_UNDERRIDES,
    MASTER_RULE,
)
from homeserver.domain.push_rules.model import PushRule, RuleKind, Ruleset

MAX_CUSTOM_RULES: Final = 1000
"""How many rules of their own a user may have, of all kinds together."""

_CHECKED_ORDER: Final = MappingProxyType({kind: place for place, kind in enumerate(RuleKind)})
_encode = msgspec.json.Encoder(order="sorted").encode


@attrs.frozen
class DefaultRuleChange:
    """What a user changed about a predefined rule; None where it is as predefined."""

    rule_id: str
    enabled: bool | None = None
    actions: RuleActions | None = None

    def apply_to(self, rule: PushRule) -> PushRule:
        return attrs.evolve(
            rule,
            enabled=rule.enabled if self.enabled is None else self.enabled,
            actions=rule.actions if self.actions is None else self.actions,
        )


@attrs.frozen(cache_hash=True)
class UserPushRules:
    """A user's own rules and changes of predefined rules; immutable, hashable, equal when equal.

    `UserPushRules()` are the rules of a new user.
    """

    custom: tuple[PushRule, ...] = ()
    """The user's own rules, by kind and then by importance."""
    changes: tuple[DefaultRuleChange, ...] = ()
    """By rule ID. Changes of rules that are not predefined any more have no effect."""

    @classmethod
    def from_stored(cls, stored: bytes) -> UserPushRules:
        """Read what `to_stored` made."""
        state = msgspec.json.decode(stored, type=_StoredRules)
        return cls(
            custom=_in_order(rule.to_rule() for rule in state.custom),
            changes=tuple(
                DefaultRuleChange(
                    rule_id,
                    change.enabled,
                    None if change.actions is None else RuleActions.parse(change.actions),
                )
                for rule_id, change in sorted(state.changes.items())
            ),
        )

    def to_stored(self) -> bytes:
        """JSON for the database: equal rules give equal bytes."""
        return _encode(
            _StoredRules(
                custom=[_StoredRule.of(rule) for rule in self.custom],
                changes={
                    change.rule_id: _StoredChange(
                        change.enabled,
                        None if change.actions is None else change.actions.to_json(),
                    )
                    for change in self.changes
                },
            )
        )

    @cached_property
    def fingerprint(self) -> bytes:
        """32 bytes that are the same for equal rules, in every process."""
        return sha256(self.to_stored()).digest()

    @cached_property
    def ruleset(self) -> Ruleset:
        """All rules in the order in which they are checked, predefined ones included."""
        changes = {change.rule_id: change for change in self.changes}

        def changed(rule: PushRule) -> PushRule:
            change = changes.get(rule.rule_id)
            return rule if change is None else change.apply_to(rule)

        rules = (
            changed(MASTER_RULE),
            *(rule for rule in self.custom if rule.kind is RuleKind.OVERRIDE),
            *map(changed, DEFAULT_OVERRIDES),
            *(rule for rule in self.custom if rule.kind is not RuleKind.OVERRIDE),
            *map(changed, DEFAULT_UNDERRIDES),
        )
        return Ruleset(rules)

    def to_json(self, user_id: UserId) -> JsonObject:
        """The answer of ``GET /pushrules/``, which is the content of ``m.push_rules`` as well."""
        return {"global": self.ruleset.to_json(user_id)}

    def rule(self, kind: RuleKind, rule_id: str) -> PushRule:
        """The rule of that kind and ID, predefined or not. Raises NotFound."""
        for rule in self.ruleset:
            if rule.rule_id == rule_id and rule.kind is kind:
                return rule
        raise NotFound("The push rule was not found")

    def add_rule(
        self, rule: PushRule, *, before: str | None = None, after: str | None = None
    ) -> UserPushRules:
        """Add a rule of the user, or update the one with its kind and ID.

        ``before`` and ``after`` name rules of the user of the same kind: the rule becomes the next
        more, or the next less important one; ``before`` prevails. Without them a new rule becomes
        the most important of its kind and an old one stays in its place. An update does not enable
        a disabled rule.

        Raises Unknown when the rule before or after does not exist, InvalidParam when it is
        predefined or when the user has too many rules.
        """
        peers = [peer for peer in self.custom if peer.kind is rule.kind]
        place = _index_of(rule.rule_id, peers)
        if place is not None:
            rule = attrs.evolve(rule, enabled=peers.pop(place).enabled)
        elif len(self.custom) >= MAX_CUSTOM_RULES:
            raise InvalidParam(f"A user can have {MAX_CUSTOM_RULES} push rules at most")
        if before is not None:
            place = _place_of(before, peers)
        elif after is not None:
            place = _place_of(after, peers) + 1
        peers.insert(place or 0, rule)
        others = (other for other in self.custom if other.kind is not rule.kind)
        return attrs.evolve(self, custom=_in_order((*others, *peers)))

    def delete_rule(self, kind: RuleKind, rule_id: str) -> UserPushRules:
        """Delete a rule of the user. Raises NotFound, or InvalidParam for predefined rules."""
        rule = self.rule(kind, rule_id)
        if rule.default:
            raise InvalidParam("Predefined push rules cannot be deleted")
        return attrs.evolve(self, custom=tuple(r for r in self.custom if r is not rule))

    def set_enabled(self, kind: RuleKind, rule_id: str, enabled: bool) -> UserPushRules:
        """Enable or disable a rule, predefined or not. Raises NotFound."""
        return self._with_changed(attrs.evolve(self.rule(kind, rule_id), enabled=enabled))

    def set_actions(self, kind: RuleKind, rule_id: str, actions: RuleActions) -> UserPushRules:
        """Change the actions of a rule, predefined or not. Raises NotFound."""
        return self._with_changed(attrs.evolve(self.rule(kind, rule_id), actions=actions))

    def _with_changed(self, rule: PushRule) -> UserPushRules:
        """These rules with ``rule`` in the place of the one with its kind and ID."""
        if not rule.default:
            custom = (
                rule if (other.kind, other.rule_id) == (rule.kind, rule.rule_id) else other
                for other in self.custom
            )
            return attrs.evolve(self, custom=tuple(custom))
        predefined = DEFAULT_RULES[rule.rule_id]
        changes = [change for change in self.changes if change.rule_id != rule.rule_id]
        if rule != predefined:
            changes.append(
                DefaultRuleChange(
                    rule.rule_id,
                    None if rule.enabled == predefined.enabled else rule.enabled,
                    None if rule.actions == predefined.actions else rule.actions,
                )
            )
        changes.sort(key=lambda change: change.rule_id)
        return attrs.evolve(self, changes=tuple(changes))


class _StoredRule(msgspec.Struct, omit_defaults=True):
    kind: RuleKind
    rule_id: str
    actions: list[Any]
    conditions: list[JsonObject] = []
    pattern: str | None = None
    enabled: bool = True

    @classmethod
    def of(cls, rule: PushRule) -> _StoredRule:
        return cls(
            rule.kind,
            rule.rule_id,
            rule.actions.to_json(),
            # Only predefined rules depend on whose they are.
            [condition_json(condition, UserId("")) for condition in rule.conditions],
            rule.pattern,
            rule.enabled,
        )

    def to_rule(self) -> PushRule:
        return PushRule(
            self.kind,
            self.rule_id,
            RuleActions.parse(self.actions),
            conditions=tuple(restore_condition(condition) for condition in self.conditions),
            pattern=self.pattern,
            enabled=self.enabled,
        )


class _StoredChange(msgspec.Struct, omit_defaults=True):
    enabled: bool | None = None
    actions: list[Any] | None = None


class _StoredRules(msgspec.Struct, omit_defaults=True):
    custom: list[_StoredRule] = []
    changes: dict[str, _StoredChange] = {}


def _in_order(rules: Iterable[PushRule]) -> tuple[PushRule, ...]:
    """Rules by kind; within a kind, they stay in their order."""
    return tuple(sorted(rules, key=lambda rule: _CHECKED_ORDER[rule.kind]))


def _index_of(rule_id: str, rules: list[PushRule]) -> int | None:
    return next((place for place, rule in enumerate(rules) if rule.rule_id == rule_id), None)


def _place_of(rule_id: str, rules: list[PushRule]) -> int:
    if rule_id.startswith("."):
        raise InvalidParam("The place of a rule cannot be relative to a predefined rule")
    place = _index_of(rule_id, rules)
    if place is None:
        raise Unknown(f"before/after rule not found: {rule_id}")
    return place
