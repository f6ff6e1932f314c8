"""Forks that every server must merge in the same way."""

from __future__ import annotations

import hashlib

import pytest

from homeserver.domain.events import Event, StateMap
from homeserver.domain.state_resolution import resolve_state
from tests.homeserver.domain.authorising import versions
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL, DAVE, START, Branch, a_room

TOPIC = ("m.room.topic", "")
LEVELS = ("m.room.power_levels", "")
JOIN_RULES = ("m.room.join_rules", "")


def merge(*branches: Branch) -> StateMap:
    room = branches[0].room
    return resolve_state(room.version, [branch.state_map for branch in branches], room.events)


def a_room_of_three(version: str) -> Branch:
    """Alice made the room, Bob is a moderator, Carol has no power."""
    branch = a_room(version)
    branch.join(BOB)
    branch.join(CAROL)
    branch.set_power_levels(ALICE, {BOB: 50})
    return branch


@versions()
def test_branches_with_the_same_state_have_that_state(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    branch.send("m.room.message", ALICE)
    other.send("m.room.message", BOB)
    assert merge(branch, other) == branch.state_map


def test_resolving_nothing_is_an_error() -> None:
    branch = a_room()
    with pytest.raises(ValueError, match="no state"):
        resolve_state(branch.room.version, [], branch.room.events)


def test_resolving_without_the_create_event_is_an_error_where_events_imply_it() -> None:
    branch = a_room_of_three("12")
    other = branch.fork()
    branch.set_topic(ALICE, "x")
    known = {
        key: event for key, event in branch.room.events.items() if event.type != "m.room.create"
    }
    with pytest.raises(ValueError, match="create event"):
        resolve_state(branch.room.version, [branch.state_map, other.state_map], known)


@versions()
def test_a_change_on_one_branch_only_is_kept(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    topic = branch.set_topic(BOB, "x")
    other.send("m.room.message", ALICE)
    assert merge(branch, other)[TOPIC] == topic.event_id


@versions()
def test_changes_of_different_entries_are_all_kept(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    third = branch.fork()
    topic = branch.set_topic(BOB, "x")
    join = other.join(DAVE)
    leave = third.leave(CAROL)
    assert merge(branch, other, third) == {
        **branch.state_map,
        TOPIC: topic.event_id,
        ("m.room.member", DAVE): join.event_id,
        ("m.room.member", CAROL): leave.event_id,
    }


@versions(first=2)
def test_the_later_of_two_topics_wins(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    later = branch.set_topic(ALICE, "later", ts=START + 900_000)
    other.set_topic(BOB, "earlier", ts=START + 800_000)
    assert merge(branch, other)[TOPIC] == later.event_id


@versions(first=2)
def test_of_two_topics_at_the_same_time_the_one_with_the_greater_id_wins(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    topics = [branch.set_topic(ALICE, "a", ts=START), other.set_topic(ALICE, "b", ts=START)]
    assert merge(branch, other)[TOPIC] == max(topic.event_id for topic in topics)


@versions(first=2)
def test_a_topic_under_newer_power_levels_wins_over_a_later_one_under_older(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    branch.set_power_levels(ALICE, {BOB: 60})
    topic = branch.set_topic(BOB, "newer levels", ts=START)
    other.set_topic(ALICE, "older levels", ts=START + 900_000)
    assert merge(branch, other)[TOPIC] == topic.event_id


@versions(first=2)
def test_a_ban_wins_over_a_topic_of_the_banned(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    ban = branch.ban(ALICE, BOB, ts=START + 900_000)
    other.set_topic(BOB, "evading", ts=START)
    merged = merge(branch, other)
    assert merged["m.room.member", BOB] == ban.event_id
    assert TOPIC not in merged


def test_version_1_lets_the_banned_set_the_topic() -> None:
    branch = a_room_of_three("1")
    other = branch.fork()
    branch.ban(ALICE, BOB)
    topic = other.set_topic(BOB, "evading")
    assert merge(branch, other)[TOPIC] == topic.event_id


@versions()
def test_a_ban_wins_over_a_join_at_the_same_time(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    ban = branch.ban(ALICE, DAVE)
    other.join(DAVE, ts=START + 900_000)
    assert merge(branch, other)["m.room.member", DAVE] == ban.event_id


@versions(first=2)
def test_a_ban_wins_over_the_banned_leaving_and_joining_again(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    ban = branch.ban(ALICE, BOB)
    other.leave(BOB)
    other.join(BOB, ts=START + 900_000)
    assert merge(branch, other)["m.room.member", BOB] == ban.event_id


@versions(first=2)
def test_of_two_moderators_who_ban_each_other_the_more_powerful_stays(version: str) -> None:
    branch = a_room_of_three(version)
    branch.set_power_levels(ALICE, {BOB: 60, CAROL: 50}, ban=50)
    other = branch.fork()
    ban = branch.ban(BOB, CAROL, ts=START + 900_000)
    kick = other.kick(CAROL, DAVE)
    merged = merge(branch, other)
    assert merged["m.room.member", CAROL] == ban.event_id
    assert merged.get(("m.room.member", DAVE)) != kick.event_id


@versions(first=2)
def test_a_demotion_wins_over_what_the_demoted_does_with_the_power(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    demotion = branch.set_power_levels(ALICE, ts=START + 900_000)
    other.set_power_levels(BOB, {BOB: 50, CAROL: 50}, ts=START)
    other.set_topic(CAROL, "x")
    other.ban(BOB, DAVE)
    merged = merge(branch, other)
    assert merged[LEVELS] == demotion.event_id
    assert TOPIC not in merged
    assert ("m.room.member", DAVE) not in merged


@versions(first=2)
def test_power_levels_of_equals_are_applied_in_their_order_of_time(version: str) -> None:
    branch = a_room_of_three(version)
    branch.set_power_levels(ALICE, {BOB: 50, CAROL: 50})
    other = branch.fork()
    later = branch.set_power_levels(BOB, {BOB: 50, CAROL: 50}, kick=40, ts=START + 900_000)
    other.set_power_levels(CAROL, {BOB: 50, CAROL: 50}, kick=30, ts=START + 800_000)
    assert merge(branch, other)[LEVELS] == later.event_id


@versions(first=2)
def test_closing_the_room_wins_over_joining_it(version: str) -> None:
    branch = a_room_of_three(version)
    other = branch.fork()
    closed = branch.set_join_rule(ALICE, "invite")
    other.join(DAVE)
    merged = merge(branch, other)
    assert merged[JOIN_RULES] == closed.event_id
    assert ("m.room.member", DAVE) not in merged


@versions(first=2)
def test_a_rejected_event_does_not_authorise_others(version: str) -> None:
    branch = a_room_of_three(version)
    join = branch.join(DAVE)
    branch.set_power_levels(ALICE, {DAVE: 50})
    branch.send("org.example.state", DAVE, {}, "")
    other = branch.fork()
    topic = branch.set_topic(DAVE, "x")
    for one in (branch, other):
        del one.state["m.room.member", DAVE]

    room = branch.room
    state_sets = [branch.state_map, other.state_map]
    assert resolve_state(room.version, state_sets, room.events)[TOPIC] == topic.event_id
    assert TOPIC not in resolve_state(room.version, state_sets, room.events, {join.event_id})


class TestWorkedExample:
    """Example 1 of MSC1442: Alice gave Bob power and takes it back, while Bob uses it."""

    def branches(self, version: str) -> tuple[Branch, Branch]:
        branch = a_room_of_three(version)
        branch.set_topic(ALICE, "Topic 1")
        other = branch.fork()
        branch.set_topic(ALICE, "Topic 2", ts=START + 900_000)
        branch.set_power_levels(ALICE)
        other.set_power_levels(BOB, {BOB: 50}, kick=40)
        other.set_topic(BOB, "Topic 3", ts=START + 901_000)
        return branch, other

    @versions(first=2)
    def test_at_message_2_the_demotion_and_the_topic_of_alice_win(self, version: str) -> None:
        branch, other = self.branches(version)
        assert merge(branch, other) == branch.state_map

    @versions(first=2, last=11)
    def test_at_message_3_the_topic_under_newer_power_levels_wins(self, version: str) -> None:
        branch, _ = self.branches(version)
        other = branch.fork()
        other.set_topic(ALICE, "Topic 4", ts=START + 899_000)
        assert merge(branch, other) == other.state_map

    def test_since_version_12_unconflicted_power_levels_do_not_order_topics(self) -> None:
        branch, _ = self.branches("12")
        other = branch.fork()
        other.set_topic(ALICE, "Topic 4", ts=START + 899_000)
        assert merge(branch, other) == branch.state_map


class TestVersion1:
    """Conflicts are resolved by depth, then by the hash of the event ID."""

    def test_the_deepest_topic_wins(self) -> None:
        branch = a_room_of_three("1")
        other = branch.fork()
        branch.send("m.room.message", ALICE)
        deepest = branch.set_topic(ALICE, "deep", ts=START)
        other.set_topic(ALICE, "shallow", ts=START + 900_000)
        assert merge(branch, other)[TOPIC] == deepest.event_id

    def test_of_topics_of_the_same_depth_the_least_hash_wins(self) -> None:
        branch = a_room_of_three("1")
        branches = [branch.fork() for _ in range(4)]
        topics = [one.set_topic(ALICE, "x") for one in branches]
        winner = min(topics, key=sha1_of_id)
        assert merge(*branches)[TOPIC] == winner.event_id

    def test_a_topic_that_is_not_allowed_loses(self) -> None:
        branch = a_room_of_three("1")
        other = branch.fork()
        branch.send("m.room.message", ALICE)
        branch.set_topic(CAROL, "deep and forbidden")
        topic = other.set_topic(ALICE, "shallow")
        assert merge(branch, other)[TOPIC] == topic.event_id

    def test_the_last_of_a_chain_of_allowed_power_levels_wins(self) -> None:
        branch = a_room_of_three("1")
        other = branch.fork()
        other.set_power_levels(ALICE, {BOB: 50}, kick=40)
        branch.send("m.room.message", ALICE)
        deeper = branch.set_power_levels(BOB, {BOB: 50}, kick=30)
        assert merge(branch, other)[LEVELS] == deeper.event_id

    def test_the_chain_ends_at_power_levels_that_are_not_allowed(self) -> None:
        branch = a_room_of_three("1")
        other = branch.fork()
        demotion = other.set_power_levels(ALICE)
        branch.send("m.room.message", ALICE)
        branch.set_power_levels(BOB, {BOB: 50}, kick=30)
        third = branch.fork()
        third.set_power_levels(ALICE, {BOB: 70})
        assert merge(branch, other, third)[LEVELS] == demotion.event_id


def sha1_of_id(event: Event) -> str:
    return hashlib.sha1(event.event_id.encode()).hexdigest()


class TestStateResets:
    """The scenarios that version 12 was made for: a server has got the state at one branch wrong
    and takes an older event for the current one."""

    @pytest.mark.parametrize("version", ["2", "11", "12"])
    def test_join_rules_survive_the_one_who_set_them(self, version: str) -> None:
        branch = a_room(version)
        branch.join(BOB)
        branch.join(CAROL)
        older = branch.state[JOIN_RULES]
        newer = branch.set_join_rule(ALICE, "invite")
        branch.leave(ALICE)
        mistaken = branch.fork()
        mistaken.state[JOIN_RULES] = older
        branch.send("m.room.message", BOB)
        mistaken.send("m.room.message", CAROL)

        merged = merge(branch, mistaken)
        if version == "12":
            assert merged == branch.state_map
            assert merged[JOIN_RULES] == newer.event_id
        else:
            assert JOIN_RULES not in merged

    @pytest.mark.parametrize("version", ["2", "11", "12"])
    def test_power_levels_survive_that_depend_on_others_between(self, version: str) -> None:
        branch = a_room(version)
        for user in (BOB, CAROL):
            branch.join(user)
        older = branch.state[LEVELS]
        branch.set_power_levels(ALICE, {BOB: 50})
        newer = branch.set_power_levels(BOB, {BOB: 50, CAROL: 50})
        branch.join(DAVE)
        mistaken = branch.fork()
        mistaken.state[LEVELS] = older
        branch.send("m.room.message", CAROL)
        mistaken.send("m.room.message", DAVE)

        merged = merge(branch, mistaken)
        assert merged[LEVELS] == (newer if version == "12" else older).event_id
