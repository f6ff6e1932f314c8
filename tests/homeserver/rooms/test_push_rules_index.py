"""Which push rules are in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.domain.push_rules import (
    RuleActions,
    RuleKind,
    UserPushRules,
    parse_rule,
)
from homeserver.ports.database import Transaction
from homeserver.rooms.push_rules_index import PushRulesIndex, is_individual

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
CAROL = UserId("@carol:hs")

KEYWORD = UserPushRules().add_rule(
    parse_rule(RuleKind.CONTENT, "cake", {"pattern": "cake", "actions": ["notify"]})
)
MUTED_ROOM = UserPushRules().add_rule(
    parse_rule(
        RuleKind.OVERRIDE,
        "!room:hs",
        {
            "conditions": [{"kind": "event_match", "key": "room_id", "pattern": "!room:hs"}],
            "actions": [],
        },
    )
)
LOUD_ROOM = UserPushRules().add_rule(parse_rule(RuleKind.ROOM, "!Room:hs", {"actions": ["notify"]}))


class StoredRules:
    """See :class:`homeserver.ports.personal.push_rules.PushRuleStore`."""

    def __init__(self, rules: dict[UserId, UserPushRules]) -> None:
        self.rules = rules
        self.asked: list[list[UserId]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def of(self, user_ids: Sequence[UserId]) -> dict[UserId, bytes]:
        self.asked.append(sorted(user_ids))
        found = {u: self.rules[u].to_stored() for u in user_ids if u in self.rules}
        self.meanwhile()
        return found

    async def individual(self) -> dict[UserId, bytes]:
        return {u: rules.to_stored() for u, rules in self.rules.items() if is_individual(rules)}

    def put(self, tx: Transaction, user_id: UserId, stored: bytes, *, individual: bool) -> None:
        raise AssertionError("the index does not write")


@pytest.mark.parametrize(
    ("rules", "individual"),
    [
        (UserPushRules(), False),
        (KEYWORD, True),
        (MUTED_ROOM, False),
        (LOUD_ROOM, True),
        (UserPushRules().set_enabled(RuleKind.OVERRIDE, ".m.rule.master", True), False),
    ],
)
def test_rules_are_individual_if_they_are_in_any_room(
    rules: UserPushRules, individual: bool
) -> None:
    assert is_individual(rules) is individual


async def test_individuals_are_known_from_the_start() -> None:
    index = PushRulesIndex(StoredRules({ALICE: KEYWORD, BOB: MUTED_ROOM}))
    await index.load()
    assert dict(index.individuals()) == {ALICE: KEYWORD}
    assert index.rules_of(ALICE) == KEYWORD
    assert index.rules_of(BOB) is None


async def test_rules_are_fetched_once_and_in_one_query() -> None:
    store = StoredRules({ALICE: KEYWORD, BOB: MUTED_ROOM})
    index = PushRulesIndex(store)
    await index.load()
    rules = {ALICE: KEYWORD, BOB: MUTED_ROOM, CAROL: UserPushRules()}
    assert await index.fetch([ALICE, BOB, CAROL]) == rules
    assert await index.fetch([ALICE, BOB, CAROL]) == rules
    assert store.asked == [[BOB, CAROL]]
    assert index.rules_of(CAROL) == UserPushRules()


async def test_users_with_equal_rules_share_them() -> None:
    index = PushRulesIndex(StoredRules({ALICE: MUTED_ROOM, BOB: MUTED_ROOM}))
    rules = await index.fetch([ALICE, BOB])
    assert rules[ALICE] is rules[BOB]


async def test_a_change_moves_a_user_in_and_out_of_the_individuals() -> None:
    index = PushRulesIndex(StoredRules({}))
    index.changed(ALICE, KEYWORD)
    assert dict(index.individuals()) == {ALICE: KEYWORD}
    index.changed(ALICE, UserPushRules())
    assert dict(index.individuals()) == {}
    assert index.rules_of(ALICE) == UserPushRules()


async def test_what_was_read_before_a_change_is_not_kept() -> None:
    store = StoredRules({})
    index = PushRulesIndex(store)

    def change() -> None:
        store.meanwhile = lambda: None
        store.rules[ALICE] = MUTED_ROOM
        index.changed(ALICE, MUTED_ROOM)

    store.meanwhile = change
    assert await index.fetch([ALICE, BOB]) == {ALICE: MUTED_ROOM, BOB: UserPushRules()}
    assert index.rules_of(ALICE) == MUTED_ROOM


async def test_those_used_last_are_kept() -> None:
    store = StoredRules({})
    index = PushRulesIndex(store, capacity=2)
    await index.fetch([ALICE])
    await index.fetch([BOB])
    index.rules_of(ALICE)
    await index.fetch([CAROL])
    assert index.rules_of(ALICE) is not None
    assert index.rules_of(BOB) is None


def test_actions_do_not_make_rules_individual_that_only_sound_different() -> None:
    louder = RuleActions.parse(["notify", {"set_tweak": "sound", "value": "default"}])
    rules = UserPushRules().set_actions(RuleKind.UNDERRIDE, ".m.rule.message", louder)
    assert not is_individual(rules)
