from __future__ import annotations

import pytest

from synctest.connection import JsonObject
from synctest.failure import ScenarioFailed
from synctest.timeline import Timeline, check_same_timeline, redactions_in


def message(event_id: str, body: str = "hello") -> JsonObject:
    return {
        "event_id": event_id,
        "type": "m.room.message",
        "sender": "@alice:example.org",
        "origin_server_ts": 1,
        "content": {"body": body},
    }


def redaction(event_id: str, target: str) -> JsonObject:
    return {**message(event_id), "type": "m.room.redaction", "content": {"redacts": target}}


def compare(left: list[JsonObject], right: list[JsonObject]) -> None:
    check_same_timeline("left", left, "right", right)


def test_an_event_that_is_told_twice_is_a_failure() -> None:
    timeline = Timeline("alice")
    timeline.extend([message("$a"), message("$b")])
    with pytest.raises(ScenarioFailed, match=r"\$a a second time"):
        timeline.extend([message("$a")])


def test_equal_timelines_pass() -> None:
    compare([message("$a"), message("$b")], [message("$a"), message("$b")])


def test_another_order_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="at place 0"):
        compare([message("$a"), message("$b")], [message("$b"), message("$a")])


def test_a_missing_event_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match=r"lacks is \$b"):
        compare([message("$a"), message("$b")], [message("$a")])


def test_other_content_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="at place 0"):
        compare([message("$a", "hello")], [message("$a", "goodbye")])


def test_a_redacted_event_may_have_been_seen_before_its_redaction() -> None:
    stripped = {**message("$a"), "content": {}}
    compare([message("$a"), redaction("$r", "$a")], [stripped, redaction("$r", "$a")])


def test_redactions_name_their_target_at_the_top_level_or_in_the_content() -> None:
    old = {**redaction("$r1", ""), "redacts": "$a", "content": {}}
    assert redactions_in([old, redaction("$r2", "$b"), message("$c")]) == {"$a", "$b"}
