"""The predefined push rules.

Client-server API v1.19, push notifications, "Predefined Rules"; in its order.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from homeserver.domain.push_rules.actions import RuleActions
from homeserver.domain.push_rules.conditions import (
    OWN_USER_ID,
    Condition,
    EventMatch,
    EventPropertyContains,
    EventPropertyIs,
    RoomMemberCount,
    SenderNotificationPermission,
)
from homeserver.domain.push_rules.model import PushRule, RuleKind

_HIGHLIGHT: Final = {"set_tweak": "highlight"}
_DEFAULT_SOUND: Final = {"set_tweak": "sound", "value": "default"}
_RING: Final = {"set_tweak": "sound", "value": "ring"}


def _rule(
    kind: RuleKind, name: str, conditions: list[Condition], actions: list[Any], enabled: bool = True
) -> PushRule:
    return PushRule(
        kind,
        f".m.rule.{name}",
        RuleActions.parse(actions),
        conditions=tuple(conditions),
        enabled=enabled,
        default=True,
    )


MASTER_RULE: Final = _rule(RuleKind.OVERRIDE, "master", [], [], enabled=False)
"""The one predefined rule that stands above the rules of the user."""

DEFAULT_OVERRIDES: Final = (
    _rule(
        RuleKind.OVERRIDE,
        "suppress_notices",
        [EventMatch("content.msgtype", "m.notice")],
        [],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "invite_for_me",
        [
            EventMatch("type", "m.room.member"),
            EventMatch("content.membership", "invite"),
            EventMatch("state_key", OWN_USER_ID),
        ],
        ["notify", _DEFAULT_SOUND],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "member_event",
        [EventMatch("type", "m.room.member")],
        [],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "is_user_mention",
        [EventPropertyContains(r"content.m\.mentions.user_ids", OWN_USER_ID)],
        ["notify", _DEFAULT_SOUND, _HIGHLIGHT],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "is_room_mention",
        [
            EventPropertyIs(r"content.m\.mentions.room", True),
            SenderNotificationPermission("room"),
        ],
        ["notify", _HIGHLIGHT],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "tombstone",
        [EventMatch("type", "m.room.tombstone"), EventMatch("state_key", "")],
        ["notify", _HIGHLIGHT],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "reaction",
        [EventMatch("type", "m.reaction")],
        [],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "room.server_acl",
        [EventMatch("type", "m.room.server_acl"), EventMatch("state_key", "")],
        [],
    ),
    _rule(
        RuleKind.OVERRIDE,
        "suppress_edits",
        [EventPropertyIs(r"content.m\.relates_to.rel_type", "m.replace")],
        [],
    ),
)

DEFAULT_UNDERRIDES: Final = (
    _rule(
        RuleKind.UNDERRIDE,
        "call",
        [EventMatch("type", "m.call.invite")],
        ["notify", _RING],
    ),
    _rule(
        RuleKind.UNDERRIDE,
        "encrypted_room_one_to_one",
        [RoomMemberCount("2"), EventMatch("type", "m.room.encrypted")],
        ["notify", _DEFAULT_SOUND],
    ),
    _rule(
        RuleKind.UNDERRIDE,
        "room_one_to_one",
        [RoomMemberCount("2"), EventMatch("type", "m.room.message")],
        ["notify", _DEFAULT_SOUND],
    ),
    _rule(
        RuleKind.UNDERRIDE,
        "message",
        [EventMatch("type", "m.room.message")],
        ["notify"],
    ),
    _rule(
        RuleKind.UNDERRIDE,
        "encrypted",
        [EventMatch("type", "m.room.encrypted")],
        ["notify"],
    ),
)

DEFAULT_RULES: Final = MappingProxyType(
    {rule.rule_id: rule for rule in (MASTER_RULE, *DEFAULT_OVERRIDES, *DEFAULT_UNDERRIDES)}
)
"""All predefined rules by their IDs, which are unique across kinds."""
