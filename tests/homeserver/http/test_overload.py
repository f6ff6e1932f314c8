"""What an overloaded server refuses first."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import Overloaded
from homeserver.http.overload import Shedding
from homeserver.http.routes import RateClass

CAN_WAIT = {RateClass.EPHEMERAL, RateClass.SEARCH}
LAST = {RateClass.MESSAGE, RateClass.SYNC, RateClass.NONE}


def refused_at(lag: float) -> set[RateClass]:
    shedding = Shedding(lambda: lag, 0.5, 2.0)
    refused = set()
    for rate_class in RateClass:
        try:
            shedding.check(rate_class)
        except Overloaded:
            refused.add(rate_class)
    return refused


@pytest.mark.parametrize("lag", [0.0, 0.5])
def test_a_server_that_keeps_up_refuses_nothing(lag: float) -> None:
    assert refused_at(lag) == set()


def test_what_can_wait_is_refused_first() -> None:
    assert refused_at(0.6) == CAN_WAIT


def test_sends_and_syncs_are_served_to_the_end() -> None:
    assert refused_at(2.1) == set(RateClass) - LAST


def test_a_refused_client_is_told_to_come_back() -> None:
    with pytest.raises(Overloaded) as caught:
        Shedding(lambda: 1.0, 0.5, 2.0).check(RateClass.SEARCH)
    assert caught.value.status == 503
    assert caught.value.errcode == "M_LIMIT_EXCEEDED"
    assert caught.value.retry_after_ms > 0
