"""Who may register."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import Forbidden
from homeserver.services.accounts.registration_policy import RegistrationPolicy


def test_nobody_registers_unless_it_was_opened() -> None:
    policy = RegistrationPolicy()

    with pytest.raises(Forbidden):
        policy.require_open("127.0.0.1")
    with pytest.raises(Forbidden):
        policy.require_guests_allowed("127.0.0.1")


def test_people_and_guests_are_let_in_apart() -> None:
    RegistrationPolicy(is_open=True).require_open("192.0.2.1")
    RegistrationPolicy(allows_guests=True).require_guests_allowed("192.0.2.1")

    with pytest.raises(Forbidden):
        RegistrationPolicy(is_open=True).require_guests_allowed("192.0.2.1")
    with pytest.raises(Forbidden):
        RegistrationPolicy(allows_guests=True).require_open("192.0.2.1")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_the_servers_own_machine_is_near(address: str) -> None:
    policy = RegistrationPolicy(is_open=True, allows_guests=True, loopback_only=True)

    policy.require_open(address)
    policy.require_guests_allowed(address)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "", "unix"])
def test_other_machines_are_not(address: str) -> None:
    policy = RegistrationPolicy(is_open=True, allows_guests=True, loopback_only=True)

    with pytest.raises(Forbidden):
        policy.require_open(address)
    with pytest.raises(Forbidden):
        policy.require_guests_allowed(address)


def test_the_flow_depends_on_whether_a_token_is_required() -> None:
    assert RegistrationPolicy().flows == (("m.login.dummy",),)
    assert RegistrationPolicy(requires_token=True).flows == (("m.login.registration_token",),)
