"""Whether a user is there."""

from __future__ import annotations

from homeserver.domain.presence import IDLE_AFTER_MS, Availability, PresenceState

ONLINE, UNAVAILABLE, OFFLINE = PresenceState
NOW = 1_700_000_000_000
MINUTE = 60_000
LATER = NOW + 60 * MINUTE


def test_who_has_no_client_is_offline() -> None:
    assert Availability().state(NOW) is OFFLINE
    assert Availability().next_change(NOW) is None


def test_a_client_that_comes_makes_its_user_online_and_active() -> None:
    user = Availability()
    user.connect("phone", ONLINE, NOW, LATER)
    assert user.state(NOW) is ONLINE
    assert user.last_active_ms == NOW


def test_a_client_that_stays_does_not_make_its_user_active() -> None:
    user = Availability()
    user.connect("phone", ONLINE, NOW, LATER)
    user.connect("phone", ONLINE, NOW + MINUTE, LATER)
    assert user.last_active_ms == NOW


def test_who_does_nothing_for_long_is_unavailable_until_they_do() -> None:
    user = Availability()
    user.connect("phone", ONLINE, NOW, LATER)
    assert user.next_change(NOW) == NOW + IDLE_AFTER_MS
    assert user.state(NOW + IDLE_AFTER_MS - 1) is ONLINE
    assert user.state(NOW + IDLE_AFTER_MS) is UNAVAILABLE
    user.act(NOW + IDLE_AFTER_MS + 1)
    assert user.state(NOW + IDLE_AFTER_MS + 1) is ONLINE


def test_a_user_is_offline_when_the_last_client_has_gone() -> None:
    user = Availability()
    user.connect("phone", ONLINE, NOW, NOW + MINUTE)
    user.connect("laptop", ONLINE, NOW, NOW + 2 * MINUTE)
    assert user.next_change(NOW) == NOW + MINUTE
    assert user.state(NOW + MINUTE) is ONLINE
    assert user.state(NOW + 2 * MINUTE) is OFFLINE
    user.forget_gone(NOW + MINUTE)
    assert list(user.connections) == ["laptop"]


def test_one_client_at_which_the_user_sits_is_enough_to_be_online() -> None:
    user = Availability()
    user.connect("laptop", ONLINE, NOW, LATER)
    user.connect("phone", UNAVAILABLE, NOW, LATER)
    assert user.state(NOW) is ONLINE
    user.connect("laptop", UNAVAILABLE, NOW + 1, LATER)
    assert user.state(NOW + 1) is UNAVAILABLE


def test_coming_back_to_a_client_is_activity() -> None:
    user = Availability()
    user.connect("laptop", UNAVAILABLE, NOW, LATER)
    user.connect("laptop", ONLINE, NOW + IDLE_AFTER_MS, LATER)
    assert user.state(NOW + IDLE_AFTER_MS) is ONLINE


def test_a_client_that_hides_is_as_if_it_were_not_there() -> None:
    user = Availability()
    user.connect("phone", OFFLINE, NOW, LATER)
    assert user.state(NOW) is OFFLINE
    user.connect("phone", ONLINE, NOW, LATER)
    user.connect("phone", OFFLINE, NOW, LATER)
    assert user.state(NOW) is OFFLINE


def test_unavailable_by_choice_lasts_until_the_user_is_active() -> None:
    user = Availability()
    user.connect("phone", ONLINE, NOW, LATER)
    user.choose("phone", UNAVAILABLE, NOW, LATER)
    user.connect("phone", ONLINE, NOW + 1, LATER)
    assert user.state(NOW + 1) is UNAVAILABLE
    user.act(NOW + 2)
    assert user.state(NOW + 2) is ONLINE


def test_offline_by_choice_lasts_until_a_client_does_not_hide() -> None:
    user = Availability()
    user.connect("phone", ONLINE, NOW, LATER)
    user.choose("phone", OFFLINE, NOW, LATER)
    user.act(NOW + 1)
    assert user.state(NOW + 1) is OFFLINE
    user.connect("phone", ONLINE, NOW + 2, LATER)
    assert user.state(NOW + 2) is ONLINE


def test_online_by_choice_ends_what_was_chosen_before() -> None:
    user = Availability()
    user.choose("phone", UNAVAILABLE, NOW, LATER)
    user.choose("phone", ONLINE, NOW, LATER)
    assert user.state(NOW) is ONLINE
