"""Asking one server after the other."""

from __future__ import annotations

import pytest

from federation.membership.failures import UnusableAnswer, first_to_help, servers_to_ask
from federation.transport.errors import DestinationUnavailable, RemoteError
from homeserver.domain.errors import Forbidden, MatrixError, NotFound, UnableToRetrieve
from homeserver.domain.identifiers import ServerName

A, B, C, OWN = (ServerName(name) for name in ("a.test", "b.test", "c.test", "own.test"))


def answer(errcode: str, status: int = 400) -> RemoteError:
    return RemoteError(A, status, errcode, "because", {})


async def asked(*errors: Exception) -> MatrixError:
    """What is said when servers fail so, one after the other."""
    left = list(errors)

    async def attempt(server: ServerName) -> None:
        raise left.pop(0)

    with pytest.raises(MatrixError) as raised:
        await first_to_help([A, B, C][: len(errors)], attempt)
    assert not left
    return raised.value


async def test_the_first_that_helps_is_the_last_that_is_asked() -> None:
    seen = []

    async def attempt(server: ServerName) -> str:
        seen.append(server)
        if server == A:
            raise UnusableAnswer("nonsense")
        return f"by {server}"

    assert await first_to_help([A, B, C], attempt) == "by b.test"
    assert seen == [A, B]


async def test_what_says_most_is_told() -> None:
    gone = DestinationUnavailable(A, "away")
    assert isinstance(
        await asked(gone, answer("M_FORBIDDEN", 403), answer("M_NOT_FOUND")), Forbidden
    )
    assert isinstance(await asked(answer("M_NOT_FOUND", 404), gone), NotFound)
    told = await asked(answer("M_UNABLE_TO_AUTHORISE_JOIN"), answer("M_UNABLE_TO_GRANT_JOIN"))
    assert told.errcode == "M_UNABLE_TO_GRANT_JOIN"


@pytest.mark.parametrize("errcode", ["M_INVALID_PARAM", "M_MISSING_PARAM", "M_ANYTHING"])
async def test_our_own_faults_are_not_blamed_on_the_client(errcode: str) -> None:
    told = await asked(answer(errcode))
    assert isinstance(told, UnableToRetrieve)
    assert told.status == 502


async def test_without_servers_a_room_is_not_found() -> None:
    assert isinstance(await asked(), NotFound)


async def test_faults_of_this_server_are_not_hidden() -> None:
    async def attempt(server: ServerName) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await first_to_help([A, B], attempt)


def test_servers_are_asked_once_and_never_oneself() -> None:
    assert servers_to_ask(OWN, [B, OWN], [A, B], [C], most=2) == [B, A]
