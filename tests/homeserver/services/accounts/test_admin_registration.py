"""Registration by a shared secret."""

from __future__ import annotations

import attrs
import pytest

from homeserver.domain.errors import Forbidden, InvalidParam, InvalidUsername, UserInUse
from homeserver.services.accounts.admin_registration import (
    AdminRegistration,
    AdminRegistrationRequest,
)
from tests.homeserver.accounts import SHARED_SECRET, AccountsServer


def proved(
    request: AdminRegistrationRequest, secret: str = SHARED_SECRET
) -> AdminRegistrationRequest:
    return attrs.evolve(request, mac=request.expected_mac(secret.encode()))


def request(nonce: str, username: str = "alice") -> AdminRegistrationRequest:
    return AdminRegistrationRequest(nonce, username, "pass", "")


def test_the_proof_is_an_hmac_over_the_parts_of_the_account() -> None:
    made = AdminRegistrationRequest("thisisanonce", "pepper_roni", "pizza", "", is_admin=True)

    # Computed with: printf 'thisisanonce\0pepper_roni\0pizza\0admin' | openssl sha1 -hmac shared
    assert made.expected_mac(b"shared") == "4baca023abe6314415efbd20fe2e85ce78c5a2e8"


async def test_who_knows_the_secret_makes_accounts(server: AccountsServer) -> None:
    nonce = server.admin_registration.new_nonce()
    wanted = attrs.evolve(request(nonce), is_admin=True, user_type="bot", display_name="Alice")

    issued = await server.admin_registration.register(proved(wanted))

    account = await server.account_store.account(issued.user_id)
    assert account is not None
    assert account.is_admin
    assert server.events.taken()[0] == ("user_registered", "@alice:hs", "Alice")
    await server.authentication.authenticate(issued.access_token)


@pytest.mark.parametrize(
    "changed",
    [
        {"username": "bob"},
        {"password": "other"},
        {"is_admin": True},
        {"user_type": "bot"},
        {"mac": "0" * 40},
        {"mac": ""},
        {"mac": "é"},
    ],
)
async def test_a_proof_is_for_one_account_only(
    server: AccountsServer, changed: dict[str, object]
) -> None:
    right = proved(request(server.admin_registration.new_nonce()))

    with pytest.raises(Forbidden):
        await server.admin_registration.register(attrs.evolve(right, **changed))  # type: ignore[arg-type]

    assert server.rows("users") == 0


async def test_who_does_not_know_the_secret_makes_no_accounts(server: AccountsServer) -> None:
    nonce = server.admin_registration.new_nonce()

    with pytest.raises(Forbidden):
        await server.admin_registration.register(proved(request(nonce), "guessed"))


@pytest.mark.parametrize("nonce", ["", "nonsense", "0" * 76, "é"])
async def test_an_invented_nonce_is_refused(server: AccountsServer, nonce: str) -> None:
    with pytest.raises(InvalidParam):
        await server.admin_registration.register(proved(request(nonce)))


async def test_a_nonce_of_another_secret_is_refused(server: AccountsServer) -> None:
    other = AdminRegistration(server.accounts, server.clock, "another secret")

    with pytest.raises(InvalidParam):
        await server.admin_registration.register(proved(request(other.new_nonce())))


async def test_a_nonce_expires(server: AccountsServer) -> None:
    nonce = server.admin_registration.new_nonce()
    server.clock.advance(60)

    with pytest.raises(InvalidParam):
        await server.admin_registration.register(proved(request(nonce)))


async def test_a_request_that_is_sent_again_makes_no_second_account(
    server: AccountsServer,
) -> None:
    sent = proved(request(server.admin_registration.new_nonce()))
    await server.admin_registration.register(sent)

    with pytest.raises(UserInUse):
        await server.admin_registration.register(sent)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"username": "al ice"}, InvalidUsername),
        ({"username": ""}, InvalidUsername),
        ({"password": ""}, InvalidParam),
        ({"username": "alice\0pass", "password": "x"}, InvalidParam),
        ({"user_type": "a\0b"}, InvalidParam),
    ],
)
async def test_malformed_accounts_are_refused(
    server: AccountsServer, changed: dict[str, str], error: type[Exception]
) -> None:
    made = attrs.evolve(request(server.admin_registration.new_nonce()), **changed)  # type: ignore[arg-type]

    with pytest.raises(error):
        await server.admin_registration.register(proved(made))

    assert server.rows("users") == 0
