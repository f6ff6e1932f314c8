"""Push rules: what notifies whom, and what counts as unread.

Client-server API, "Push Notifications".
"""

from __future__ import annotations

from homeserver.domain.push_rules.actions import RuleActions
from homeserver.domain.push_rules.counting import (
    CountingClass,
    CountingClasses,
    DefaultOutcome,
    classify,
    counting_classes,
    default_outcome,
    mention_candidates,
    outcome_in_class,
)
from homeserver.domain.push_rules.evaluate import (
    CompiledRuleset,
    PushActions,
    compile_user_rules,
    evaluate,
)
from homeserver.domain.push_rules.model import (
    PushRule,
    RuleKind,
    Ruleset,
    parse_rule,
    parse_rule_kind,
)
from homeserver.domain.push_rules.predicates import Recipient, RoomContext
from homeserver.domain.push_rules.user_rules import UserPushRules

__all__ = [
    "CompiledRuleset",
    "CountingClass",
    "CountingClasses",
    "DefaultOutcome",
    "PushActions",
    "PushRule",
    "Recipient",
    "RoomContext",
    "RuleActions",
    "RuleKind",
    "Ruleset",
    "UserPushRules",
    "classify",
    "compile_user_rules",
    "counting_classes",
    "default_outcome",
    "evaluate",
    "mention_candidates",
    "outcome_in_class",
    "parse_rule",
    "parse_rule_kind",
]
