"""The push rules that counting looks up, in memory.

Users whose events are counted one by one are all kept, for they are asked about with every event of
their rooms. Of the others those used last are kept. Most users have changed nothing, and users who
changed the same share one value.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from homeserver.domain.identifiers import RoomId, UserId
from homeserver.domain.push_rules import (
    CountingClass,
    RuleKind,
    UserPushRules,
    counting_classes,
)
from homeserver.domain.push_rules.conditions import EventMatch, EventPropertyIs
from homeserver.ports.personal.push_rules import PushRuleStore

CAPACITY = 50_000

_PREDEFINED = UserPushRules()


class PushRulesIndex:
    """The push rules of the users of this server, by user."""

    def __init__(self, store: PushRuleStore, capacity: int = CAPACITY) -> None:
        self._store = store
        self._capacity = capacity
        self._individuals: dict[UserId, UserPushRules] = {}
        self._recent: OrderedDict[UserId, UserPushRules] = OrderedDict()
        self._changes = 0

    async def load(self) -> None:
        """Read the rules of those whose events are counted one by one; once, at the start."""
        for user_id, stored in (await self._store.individual()).items():
            self._individuals.setdefault(user_id, _read(stored))

    def individuals(self) -> Mapping[UserId, UserPushRules]:
        """Everyone whose events are counted one by one, in some room at least."""
        return self._individuals

    def rules_of(self, user_id: UserId) -> UserPushRules | None:
        """The rules of a user; None when they are not in memory and must be fetched."""
        rules = self._individuals.get(user_id) or self._recent.get(user_id)
        if rules is not None and user_id in self._recent:
            self._recent.move_to_end(user_id)
        return rules

    async def fetch(self, user_ids: Iterable[UserId]) -> dict[UserId, UserPushRules]:
        """The rules of many users; those not in memory are read in one query, and kept."""
        wanted = set(user_ids)
        found = {u: rules for u in wanted if (rules := self.rules_of(u)) is not None}
        missing = [user_id for user_id in wanted if user_id not in found]
        while missing:
            changes = self._changes
            stored = await self._store.of(missing)
            if changes != self._changes:
                continue  # what was read while somebody's rules changed may be outdated
            for user_id in missing:
                found[user_id] = _read(stored[user_id]) if user_id in stored else _PREDEFINED
                if user_id not in self._individuals:
                    self._keep(user_id, found[user_id])
            break
        return found

    def changed(self, user_id: UserId, rules: UserPushRules) -> None:
        """The rules of a user have changed, and that is stored."""
        self._changes += 1
        self._individuals.pop(user_id, None)
        self._recent.pop(user_id, None)
        if is_individual(rules):
            self._individuals[user_id] = rules
        else:
            self._keep(user_id, rules)

    def _keep(self, user_id: UserId, rules: UserPushRules) -> None:
        self._recent[user_id] = rules
        if len(self._recent) > self._capacity:
            self._recent.popitem(last=False)


def is_individual(rules: UserPushRules) -> bool:
    """Whether there is a room in which the events of a user with these rules are counted one by
    one."""
    classes = counting_classes(rules)
    if classes.elsewhere is CountingClass.INDIVIDUAL:
        return True
    return any(
        classes.in_room(room_id) is CountingClass.INDIVIDUAL for room_id in _rooms_named_by(rules)
    )


def _rooms_named_by(rules: UserPushRules) -> Iterator[RoomId]:
    # Predefined rules name no rooms.
    for rule in rules.custom:
        if rule.kind is RuleKind.ROOM:
            yield RoomId(rule.rule_id)
        for condition in rule.conditions:
            match condition:
                case EventMatch("room_id", str(name)) | EventPropertyIs("room_id", str(name)):
                    yield RoomId(name)


@lru_cache(maxsize=4096)
def _read(stored: bytes) -> UserPushRules:
    return UserPushRules.from_stored(stored)
