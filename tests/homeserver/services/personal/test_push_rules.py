"""Changing push rules."""

from __future__ import annotations

import msgspec
import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.errors import NotFound
from homeserver.domain.push_rules import RuleKind, UserPushRules, parse_rule
from homeserver.log.entries import AccountDataEntry
from homeserver.log.log import all_committed
from homeserver.services.personal.push_rules import PUSH_RULES, default_push_rules
from tests.homeserver.personal_server import ALICE, BOB, PersonalServer

CAKE = parse_rule(RuleKind.CONTENT, "cake", {"pattern": "cake", "actions": ["notify"]})


async def test_who_changed_nothing_has_the_predefined_rules() -> None:
    server = PersonalServer()
    assert await server.push_rules.of(ALICE) == UserPushRules()
    content = msgspec.json.decode(default_push_rules(ALICE))
    assert content == UserPushRules().to_json(ALICE)
    assert ALICE in str(content)


async def test_a_change_is_stored_indexed_and_told_to_the_users_clients() -> None:
    server = PersonalServer()
    await server.push_rules.put(ALICE, CAKE, before=None, after=None)
    rules = UserPushRules().add_rule(CAKE)
    (entry,) = server.entries
    assert entry == AccountDataEntry(0, entry.position, ALICE, None, PUSH_RULES)
    (row,) = await server.account_data_store.since(ALICE, 0)
    assert row.position == entry.position
    assert msgspec.json.decode(row.content) == rules.to_json(ALICE)
    assert dict(server.index.individuals()) == {ALICE: rules}
    again = server.restarted()
    await again.index.load()
    assert dict(again.index.individuals()) == {ALICE: rules}
    assert await again.push_rules.of(ALICE) == rules


async def test_a_change_that_changes_nothing_is_not_told() -> None:
    server = PersonalServer()
    await server.push_rules.set_enabled(ALICE, RuleKind.OVERRIDE, ".m.rule.master", False)
    assert server.entries == []


async def test_changes_at_the_same_time_are_all_kept() -> None:
    server = PersonalServer()
    server.database.hold_commits = True
    names = [f"word{number}" for number in range(5)]
    rules = [parse_rule(RuleKind.CONTENT, name, {"pattern": name, "actions": []}) for name in names]
    changes = [
        Deferred.fromCoroutine(server.push_rules.put(user_id, rule, before=None, after=None))
        for rule in rules
        for user_id in (ALICE, BOB)
    ]
    server.database.release()
    await all_committed(changes)
    for user_id in (ALICE, BOB):
        custom = (await server.push_rules.of(user_id)).custom
        assert sorted(rule.rule_id for rule in custom) == names


async def test_after_a_refused_change_the_next_one_goes_on() -> None:
    server = PersonalServer()
    with pytest.raises(NotFound):
        await server.push_rules.delete(ALICE, RuleKind.CONTENT, "cake")
    await server.push_rules.put(ALICE, CAKE, before=None, after=None)
    await server.push_rules.delete(ALICE, RuleKind.CONTENT, "cake")
    assert await server.push_rules.of(ALICE) == UserPushRules()
