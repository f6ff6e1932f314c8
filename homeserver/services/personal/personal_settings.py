"""What users have set for a room goes on in the room that replaces it.

Client-server API, "Room Upgrades".
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import msgspec

from homeserver.domain.errors import InvalidParam, NotFound
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.push_rules import PushRule, UserPushRules
from homeserver.domain.push_rules.conditions import EventMatch, EventPropertyIs
from homeserver.services.personal.account_data import AccountData
from homeserver.services.personal.push_rules import PushRules
from homeserver.services.personal.room_tags import RoomTags

_DIRECT: Final = "m.direct"


class PersonalSettings:
    """See :class:`homeserver.ports.personal.personal_settings.PersonalSettings`."""

    def __init__(self, tags: RoomTags, push_rules: PushRules, account_data: AccountData) -> None:
        self._tags = tags
        self._push_rules = push_rules
        self._account_data = account_data

    async def carry_over(self, user_id: UserId, old_room: RoomId, new_room: RoomId) -> None:
        """Carry over tags, the push rules that name the room, and that it is a direct chat."""
        tags = await self._tags.list(user_id, old_room)
        if tags:
            await self._tags.add(user_id, new_room, tags)
        await self._push_rules.change(user_id, lambda rules: _with_room(rules, old_room, new_room))
        await self._carry_over_direct(user_id, old_room, new_room)

    async def _carry_over_direct(self, user_id: UserId, old: RoomId, new: RoomId) -> None:
        try:
            content = await self._account_data.get(user_id, None, _DIRECT)
        except NotFound:
            return
        if _with_direct(content, old, new) != content:
            await self._account_data.change(
                user_id, None, _DIRECT, lambda before: _with_direct(before or b"{}", old, new)
            )


def _with_room(rules: UserPushRules, old: RoomId, new: RoomId) -> UserPushRules:
    """Rules with a copy for the new room of each that is named after the old one."""
    named = {(rule.kind, rule.rule_id) for rule in rules.custom}
    for rule in reversed(rules.custom):
        if rule.rule_id != old or (rule.kind, new) in named:
            continue
        try:
            rules = rules.add_rule(_for_room(rule, old, new))
        except InvalidParam:
            break  # the user has as many rules as there may be
    return rules


def _for_room(rule: PushRule, old: RoomId, new: RoomId) -> PushRule:
    conditions = []
    for condition in rule.conditions:
        match condition:
            case EventMatch("room_id", name) if name == old:
                condition = EventMatch("room_id", new)
            case EventPropertyIs("room_id", name) if name == old:
                condition = EventPropertyIs("room_id", new)
        conditions.append(condition)
    return attrs.evolve(rule, rule_id=new, conditions=tuple(conditions))


def _with_direct(content: bytes, old: RoomId, new: RoomId) -> bytes:
    """``m.direct`` with the new room beside the old one; the very same bytes if it was not there.

    Clients write it, so it may have any form.
    """
    direct: dict[str, Any] = msgspec.json.decode(content)
    changed = False
    for user_id, rooms in direct.items():
        if isinstance(rooms, list) and old in rooms and new not in rooms:
            direct[user_id] = [*rooms, new]
            changed = True
    return msgspec.json.encode(direct) if changed else content
