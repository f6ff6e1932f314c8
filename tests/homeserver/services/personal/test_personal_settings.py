"""What users have set for a room that is replaced."""

from __future__ import annotations

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId
from homeserver.domain.push_rules import RuleKind, UserPushRules, parse_rule
from homeserver.domain.push_rules.user_rules import MAX_CUSTOM_RULES
from homeserver.services.personal.personal_settings import PersonalSettings
from homeserver.services.personal.room_tags import RoomTags
from tests.homeserver.personal_server import ALICE, PersonalServer

OLD, NEW = RoomId("!old"), RoomId("!new")


def settings(server: PersonalServer) -> PersonalSettings:
    return PersonalSettings(RoomTags(server.account_data), server.push_rules, server.account_data)


def about(room_id: str) -> JsonObject:
    return {
        "conditions": [{"kind": "event_match", "key": "room_id", "pattern": room_id}],
        "actions": [],
    }


async def test_nothing_happens_for_who_has_set_nothing() -> None:
    server = PersonalServer()
    await settings(server).carry_over(ALICE, OLD, NEW)
    assert server.entries == []


async def test_tags_go_on() -> None:
    server = PersonalServer()
    tags = RoomTags(server.account_data)
    await tags.put(ALICE, OLD, "m.favourite", {"order": 0.1})
    await tags.put(ALICE, OLD, "u.work", {"order": 0.2})
    await tags.put(ALICE, NEW, "u.work", {"order": 0.9})
    await settings(server).carry_over(ALICE, OLD, NEW)
    assert await tags.list(ALICE, NEW) == {
        "m.favourite": {"order": 0.1},
        "u.work": {"order": 0.9},
    }


async def test_notifications_go_on() -> None:
    server = PersonalServer()
    muted = parse_rule(RuleKind.OVERRIDE, OLD, about(OLD))
    loud = parse_rule(RuleKind.ROOM, OLD, {"actions": ["notify"]})
    other = parse_rule(RuleKind.OVERRIDE, "other", about(OLD))
    for rule in (muted, loud, other):
        await server.push_rules.put(ALICE, rule, before=None, after=None)
    await server.push_rules.set_enabled(ALICE, RuleKind.ROOM, OLD, False)
    await settings(server).carry_over(ALICE, OLD, NEW)
    rules = await server.push_rules.of(ALICE)
    assert rules.rule(RuleKind.OVERRIDE, NEW) == parse_rule(RuleKind.OVERRIDE, NEW, about(NEW))
    assert rules.rule(RuleKind.ROOM, NEW).enabled is False
    assert len(rules.custom) == 5
    await settings(server).carry_over(ALICE, OLD, NEW)
    assert await server.push_rules.of(ALICE) == rules


async def test_notifications_stay_within_the_limit_of_rules() -> None:
    server = PersonalServer()
    rules = UserPushRules()
    for number in range(MAX_CUSTOM_RULES - 1):
        word = {"pattern": "x", "actions": []}
        rules = rules.add_rule(parse_rule(RuleKind.CONTENT, f"{number}", word))
    rules = rules.add_rule(parse_rule(RuleKind.ROOM, OLD, {"actions": []}))
    await server.push_rules.change(ALICE, lambda before: rules)
    await settings(server).carry_over(ALICE, OLD, NEW)
    assert await server.push_rules.of(ALICE) == rules


async def test_direct_chats_go_on() -> None:
    server = PersonalServer()
    direct = {"@bob:hs": [OLD], "@carol:hs": ["!x"], "@dave:hs": [OLD, NEW], "odd": 7}
    await server.account_data.put(ALICE, None, "m.direct", msgspec.json.encode(direct))
    for _ in range(2):
        await settings(server).carry_over(ALICE, OLD, NEW)
        content = await server.account_data.get(ALICE, None, "m.direct")
        assert msgspec.json.decode(content) == {**direct, "@bob:hs": [OLD, NEW]}
    assert len(server.entries) == 2
