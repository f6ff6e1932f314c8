from __future__ import annotations

import pytest

from synctest.client import Client
from synctest.connection import Homeserver, JsonObject
from synctest.failure import ScenarioFailed
from synctest.ledger import Acknowledged, check_once

ALICE = Client(Homeserver("http://127.0.0.1:1"), "@alice:example.org", "LAPTOP", "token")
SENT = [Acknowledged(ALICE, "!room", "1", "hello", "$a")]


def said(event_id: str, body: str) -> JsonObject:
    return {"event_id": event_id, "content": {"body": body}}


def test_a_message_that_is_there_once_passes() -> None:
    check_once(SENT, [said("$a", "hello"), said("$b", "something else")], frozenset())


def test_a_lost_message_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="lost: 'hello'"):
        check_once(SENT, [said("$b", "something else")], frozenset())


def test_a_message_that_is_there_twice_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="2 times"):
        check_once(SENT, [said("$a", "hello"), said("$b", "hello")], frozenset())


def test_an_event_id_of_another_message_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="'goodbye' instead of 'hello'"):
        check_once(SENT, [said("$a", "goodbye")], frozenset())


def test_a_redacted_message_has_lost_its_body() -> None:
    check_once(SENT, [{"event_id": "$a", "content": {}}], frozenset({"$a"}))
