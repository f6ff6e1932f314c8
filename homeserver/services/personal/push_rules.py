"""Push rules: what notifies a user.

Client-server API, push notifications, "Push Rules: API" and "Push Rules: Events".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from homeserver.domain.identifiers import UserId
from homeserver.domain.push_rules import PushRule, RuleActions, RuleKind, UserPushRules
from homeserver.log.entries import AccountDataEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.database import Transaction
from homeserver.ports.personal.account_data import AccountDataRow, AccountDataStore
from homeserver.ports.personal.push_rules import PushRuleStore
from homeserver.rooms.push_rules_index import PushRulesIndex, is_individual
from homeserver.services.turns import Turns

PUSH_RULES: Final = "m.push_rules"

_encode = msgspec.json.Encoder().encode


def default_push_rules(user_id: UserId) -> bytes:
    """The content of ``m.push_rules`` for a user who has changed nothing."""
    return _content(UserPushRules(), user_id)


class PushRules:
    """Reads and changes the push rules of users.

    A change is stored together with the account data that tells the user's clients of it.
    """

    def __init__(
        self,
        store: PushRuleStore,
        account_data: AccountDataStore,
        index: PushRulesIndex,
        log: Log,
    ) -> None:
        self._store = store
        self._account_data = account_data
        self._index = index
        self._log = log
        self._turns = Turns()

    async def of(self, user_id: UserId) -> UserPushRules:
        """The rules of a user."""
        return (await self._index.fetch([user_id]))[user_id]

    async def put(
        self, user_id: UserId, rule: PushRule, *, before: str | None, after: str | None
    ) -> None:
        """Add or update a rule of the user; raises as `UserPushRules.add_rule`."""
        await self.change(user_id, lambda rules: rules.add_rule(rule, before=before, after=after))

    async def delete(self, user_id: UserId, kind: RuleKind, rule_id: str) -> None:
        """Delete a rule of the user; raises as `UserPushRules.delete_rule`."""
        await self.change(user_id, lambda rules: rules.delete_rule(kind, rule_id))

    async def set_enabled(
        self, user_id: UserId, kind: RuleKind, rule_id: str, enabled: bool
    ) -> None:
        """Enable or disable a rule. Raises NotFound."""
        await self.change(user_id, lambda rules: rules.set_enabled(kind, rule_id, enabled))

    async def set_actions(
        self, user_id: UserId, kind: RuleKind, rule_id: str, actions: RuleActions
    ) -> None:
        """Change what a rule does. Raises NotFound."""
        await self.change(user_id, lambda rules: rules.set_actions(kind, rule_id, actions))

    async def change(
        self, user_id: UserId, change: Callable[[UserPushRules], UserPushRules]
    ) -> None:
        """Let a user have what ``change`` makes of their rules; raises as that does."""
        async with self._turns.of(user_id):
            before = await self.of(user_id)
            after = change(before)
            if after != before:
                await self._store_rules(user_id, after)
                self._index.changed(user_id, after)

    async def _store_rules(self, user_id: UserId, rules: UserPushRules) -> None:
        stored, individual = rules.to_stored(), is_individual(rules)
        content = _content(rules, user_id)
        store, account_data = self._store, self._account_data

        def work(tx: Transaction) -> None:
            store.put(tx, user_id, stored, individual=individual)
            account_data.put(tx, user_id, AccountDataRow(None, PUSH_RULES, content, position))

        shard = shard_of_user(user_id, self._log.shards)
        position = self._log.next_position(shard)
        await self._log.append(AccountDataEntry(shard, position, user_id, None, PUSH_RULES), work)


def _content(rules: UserPushRules, user_id: UserId) -> bytes:
    return _encode(rules.to_json(user_id))
