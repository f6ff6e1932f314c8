"""Push rules and rulesets, and the rules that clients send.

Client-server API, push notifications, "Push Rules" and "Push Rules: API".
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import attrs

from homeserver.domain.canonical_json import JsonObject, check_lenient
from homeserver.domain.errors import BadJson, InvalidParam, MissingParam
from homeserver.domain.identifiers import UserId
from homeserver.domain.push_rules.actions import RuleActions
from homeserver.domain.push_rules.conditions import Condition, condition_json, parse_condition


class RuleKind(StrEnum):
    """The kinds of rule, in the order in which they are checked."""

    OVERRIDE = "override"
    CONTENT = "content"
    ROOM = "room"
    SENDER = "sender"
    UNDERRIDE = "underride"

    @property
    def has_conditions(self) -> bool:
        return self in (RuleKind.OVERRIDE, RuleKind.UNDERRIDE)


@attrs.frozen
class PushRule:
    """A push rule. Within its kind, ``rule_id`` is unique."""

    kind: RuleKind
    rule_id: str
    actions: RuleActions
    conditions: tuple[Condition, ...] = ()
    """What must hold, all of it; only override and underride rules have conditions."""
    pattern: str | None = None
    """The glob that content rules, and only they, look for in the body."""
    enabled: bool = True
    default: bool = False
    """Whether the rule is predefined, and not the user's."""

    def to_json(self, user_id: UserId) -> JsonObject:
        """The rule as the API shows it to ``user_id``, whose it is."""
        rule: JsonObject = {
            "rule_id": self.rule_id,
            "default": self.default,
            "enabled": self.enabled,
            "actions": self.actions.to_json(),
        }
        if self.kind.has_conditions:
            rule["conditions"] = [condition_json(c, user_id) for c in self.conditions]
        if self.pattern is not None:
            rule["pattern"] = self.pattern
        return rule


@attrs.frozen
class Ruleset:
    """All rules of a user, in the order in which they are checked."""

    rules: tuple[PushRule, ...]

    def __iter__(self) -> Iterator[PushRule]:
        return iter(self.rules)

    def of_kind(self, kind: RuleKind) -> tuple[PushRule, ...]:
        return tuple(rule for rule in self.rules if rule.kind is kind)

    def to_json(self, user_id: UserId) -> JsonObject:
        """The ruleset as in ``GET /pushrules/global/``, for the user whose it is."""
        return {
            kind.value: [rule.to_json(user_id) for rule in self.of_kind(kind)] for kind in RuleKind
        }


def parse_rule_kind(raw: str) -> RuleKind:
    """Parse the kind in the path of a request. Raises InvalidParam."""
    try:
        return RuleKind(raw)
    except ValueError as error:
        raise InvalidParam("There is no such kind of push rule") from error


def parse_rule(kind: RuleKind, rule_id: str, body: JsonObject) -> PushRule:
    """Check a rule that a client puts. Fields that mean nothing for its kind are ignored.

    Raises InvalidParam for the rule ID, MissingParam and BadJson for the body.
    """
    check_rule_id(rule_id)
    check_lenient(body)
    if "actions" not in body:
        raise MissingParam("A push rule needs actions")
    return PushRule(
        kind,
        rule_id,
        RuleActions.parse(body["actions"]),
        conditions=_parse_conditions(body.get("conditions")) if kind.has_conditions else (),
        pattern=_parse_pattern(body) if kind is RuleKind.CONTENT else None,
    )


def check_rule_id(rule_id: str) -> None:
    """Check the ID of a user's own rule. Raises InvalidParam."""
    if not rule_id:
        raise InvalidParam("The ID of a push rule must not be empty")
    if rule_id.startswith("."):
        raise InvalidParam("Rule IDs that start with a dot are reserved for predefined rules")
    if "/" in rule_id or "\\" in rule_id:
        raise InvalidParam("Rule IDs must not contain slashes or backslashes")


def _parse_conditions(conditions: Any) -> tuple[Condition, ...]:
    if conditions is None:
        return ()
    if not isinstance(conditions, list):
        raise BadJson("The conditions of a push rule must be an array")
    return tuple(parse_condition(condition) for condition in conditions)


def _parse_pattern(body: JsonObject) -> str:
    if "pattern" not in body:
        raise MissingParam("A content rule needs a pattern")
    pattern = body["pattern"]
    if not isinstance(pattern, str):
        raise BadJson("The pattern of a content rule must be a string")
    return pattern
