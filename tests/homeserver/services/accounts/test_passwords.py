"""Passwords and their hashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.errors import InvalidParam, Overloaded, WeakPassword
from homeserver.services.accounts.passwords import Passwords
from tests.homeserver.accounts import CHEAP, run_here


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(run_here, CHEAP)


async def test_only_the_right_password_belongs_to_a_hash(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")

    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsf")
    assert not await passwords.verify(stored, "")
    assert not await passwords.verify("no hash at all", "correct horse")


async def test_the_same_password_has_another_hash_each_time(passwords: Passwords) -> None:
    first, second = await passwords.hash("correct horse"), await passwords.hash("correct horse")

    assert first != second
    assert "correct" not in first
    assert first.startswith("$argon2id$")


async def test_without_a_hash_a_password_is_hashed_all_the_same() -> None:
    hashed: list[Any] = []

    async def run(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        hashed.append(args)
        return work(*args, **kwargs)

    assert not await Passwords(run, CHEAP).verify(None, "correct horse")
    assert hashed == [("correct horse",)]


async def test_a_hash_of_another_cost_is_due_for_a_new_one(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")

    assert not passwords.needs_rehash(stored)
    assert Passwords(run_here, attrs.evolve(CHEAP, time_cost=2)).needs_rehash(stored)


@pytest.mark.parametrize(
    ("password", "error"),
    [("", WeakPassword), ("seven c", WeakPassword), ("x" * 513, InvalidParam)],
)
def test_passwords_that_are_too_short_or_too_long_are_refused(
    passwords: Passwords, password: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        passwords.check_policy(password)


@pytest.mark.parametrize("password", ["eight ch", "密码密码密码密码", "x" * 512])
def test_passwords_of_allowed_length_are_accepted(passwords: Passwords, password: str) -> None:
    passwords.check_policy(password)


async def test_only_so_many_passwords_wait_to_be_hashed() -> None:
    waiting: Deferred[None] = Deferred()

    async def run(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        await waiting
        return work(*args, **kwargs)

    passwords = Passwords(run, attrs.evolve(CHEAP, max_waiting=1))
    first = Deferred.fromCoroutine(passwords.hash("correct horse"))
    with pytest.raises(Overloaded):
        await passwords.verify("$argon2id$", "correct horse")
    waiting.callback(None)

    stored = await first
    assert await passwords.verify(stored, "correct horse")
