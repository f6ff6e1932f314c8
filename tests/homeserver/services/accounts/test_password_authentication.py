"""Who somebody is, by their password."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from homeserver.domain.errors import (
    BadJson,
    LimitExceeded,
    LoginFailed,
    MissingParam,
    UserDeactivated,
    UserLocked,
)
from homeserver.http.rate_limits import Rate
from homeserver.http.routes import RateClass
from homeserver.services.accounts.password_authentication import PasswordAuthentication
from homeserver.services.accounts.passwords import Passwords
from homeserver.services.accounts.session_tokens import SessionRequest
from tests.homeserver.accounts import CHEAP, PASSWORD, SERVER, AccountsServer, run_here


def credentials(user: str, password: Any = PASSWORD) -> dict[str, Any]:
    return {"identifier": {"type": "m.id.user", "user": user}, "password": password}


async def test_the_right_password_opens_the_account(server: AccountsServer) -> None:
    alice = (await server.register("alice")).user_id

    account = await server.password_authentication.authenticate(credentials("alice"))

    assert account.user_id == alice


@pytest.mark.parametrize("user", ["alice", "bob", "@bob:elsewhere", "no such name!"])
async def test_a_wrong_name_and_a_wrong_password_fail_alike(
    server: AccountsServer, user: str
) -> None:
    await server.register("alice")

    with pytest.raises(LoginFailed) as caught:
        await server.password_authentication.authenticate(credentials(user, "wrong horse"))

    assert caught.value.body() == LoginFailed().body()


@pytest.mark.parametrize("user", ["alice", "bob", "@bob:elsewhere"])
async def test_a_password_is_hashed_whether_or_not_there_is_an_account(user: str) -> None:
    hashed = 0

    async def run(work: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal hashed
        hashed += 1
        return work(*args, **kwargs)

    with AccountsServer(run_in_thread=run) as server:
        await server.register("alice")
        hashed = 0
        with pytest.raises(LoginFailed):
            await server.password_authentication.authenticate(credentials(user, "wrong horse"))

    assert hashed == 1


async def test_a_guest_has_no_password(server: AccountsServer) -> None:
    guest = await server.accounts.register_guest(SessionRequest())

    with pytest.raises(LoginFailed):
        await server.password_authentication.authenticate(credentials(guest.user_id, ""))


async def test_too_many_failures_with_an_account_block_it_for_a_while() -> None:
    with AccountsServer(rates={RateClass.LOGIN: Rate(per_second=0.1, burst=2)}) as server:
        await server.register("alice")
        await server.register("bob")
        authenticate = server.password_authentication.authenticate
        for _ in range(2):
            with pytest.raises(LoginFailed):
                await authenticate(credentials("alice", "wrong horse"))

        with pytest.raises(LimitExceeded):
            await authenticate(credentials("alice"))
        await authenticate(credentials("bob"))

        server.clock.advance(10)
        await authenticate(credentials("alice"))


async def test_successes_do_not_count_against_an_account() -> None:
    with AccountsServer(rates={RateClass.LOGIN: Rate(per_second=0.1, burst=2)}) as server:
        await server.register("alice")

        for _ in range(5):
            await server.password_authentication.authenticate(credentials("alice"))


async def test_only_who_knows_the_password_learns_that_an_account_is_closed_or_locked(
    server: AccountsServer,
) -> None:
    alice = (await server.register("alice")).user_id
    bob = (await server.register("bob")).user_id
    await server.account_store.deactivate(alice, erase=False)
    await server.account_store.set_locked(bob, True)
    authenticate = server.password_authentication.authenticate

    with pytest.raises(UserDeactivated):
        await authenticate(credentials("alice"))
    with pytest.raises(UserLocked) as caught:
        await authenticate(credentials("bob"))
    assert caught.value.body()["soft_logout"] is True
    for user in ("alice", "bob"):
        with pytest.raises(LoginFailed):
            await authenticate(credentials(user, "wrong horse"))


async def test_an_erased_account_has_no_password_any_more(server: AccountsServer) -> None:
    alice = (await server.register("alice")).user_id
    await server.account_store.deactivate(alice, erase=True)

    with pytest.raises(LoginFailed):
        await server.password_authentication.authenticate(credentials("alice"))


async def test_a_hash_of_another_cost_is_replaced(server: AccountsServer) -> None:
    alice = (await server.register("alice")).user_id
    costlier = Passwords(run_here, attrs.evolve(CHEAP, time_cost=2))
    authentication = PasswordAuthentication(server.account_store, costlier, server.limiter, SERVER)

    await authentication.authenticate(credentials("alice"))

    stored = await server.account_store.credentials(alice)
    assert stored is not None
    assert stored.password_hash is not None
    assert not costlier.needs_rehash(stored.password_hash)
    await authentication.authenticate(credentials("alice"))


@pytest.mark.parametrize(
    ("malformed", "error"),
    [
        ({"identifier": {"type": "m.id.user", "user": "alice"}}, MissingParam),
        (credentials("alice", 12345678), BadJson),
        ({"password": PASSWORD}, MissingParam),
    ],
)
async def test_malformed_credentials_are_refused(
    server: AccountsServer, malformed: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await server.password_authentication.authenticate(malformed)
