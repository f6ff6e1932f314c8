from __future__ import annotations

import pytest

from synctest.claimed_keys import Claimed, Offer
from synctest.failure import ScenarioFailed

OFFER = Offer({"alg:1": {"key": "one"}, "alg:2": {"key": "two"}}, {"alg:F": {"key": "fallback"}})


def given(claimant: str, key_id: str, key: str) -> Claimed:
    return Claimed(claimant, key_id, {"key": key})


ONE, TWO = given("@a:hs", "alg:1", "one"), given("@b:hs", "alg:2", "two")
FALLBACK = given("@c:hs", "alg:F", "fallback")


def test_each_one_time_key_once_and_then_the_fallback_key_passes() -> None:
    assert OFFER.check([ONE, TWO, FALLBACK, FALLBACK], requests_repeated=0) == 0


def test_a_one_time_key_for_two_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="more than once: \\['alg:1'\\]"):
        OFFER.check([ONE, given("@b:hs", "alg:1", "one"), FALLBACK], requests_repeated=5)


def test_a_key_whose_answer_was_lost_is_burnt() -> None:
    assert OFFER.check([ONE, FALLBACK, FALLBACK], requests_repeated=1) == 1


def test_a_key_that_is_passed_over_without_reason_is_a_failure() -> None:
    with pytest.raises(ScenarioFailed, match="1 one-time keys were passed over"):
        OFFER.check([ONE, FALLBACK, FALLBACK], requests_repeated=0)


@pytest.mark.parametrize(("key_id", "key"), [("alg:3", "one"), ("alg:1", "another")])
def test_a_key_that_nobody_offered_is_a_failure(key_id: str, key: str) -> None:
    with pytest.raises(ScenarioFailed, match="nobody offered"):
        OFFER.check([given("@a:hs", key_id, key)], requests_repeated=0)


def test_nothing_but_the_fallback_key_is_left_in_the_end() -> None:
    OFFER.check_fallback(FALLBACK)
    with pytest.raises(ScenarioFailed, match="after the one-time keys had run out"):
        OFFER.check_fallback(ONE)
