"""Taking requests through the stages of a flow."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, Forbidden, LimitExceeded
from homeserver.domain.identifiers import UserId
from homeserver.services.accounts.uia_session_ids import Operation, UiaSessionIds
from homeserver.services.accounts.user_interactive_auth import (
    Attempt,
    Flow,
    UserInteractiveAuth,
    UserInteractiveAuthRequired,
)
from tests.homeserver.accounts import AccountsServer

ALICE = UserId("@alice:hs")
OPERATION = Operation("POST", "/_matrix/client/v3/delete_devices", {"devices": ["A"]}, ALICE)
SECRET = b"s" * 32
LIFETIME_MS = 900_000


class Word:
    """A stage that is completed by a word."""

    def __init__(self, type: str, params: JsonObject | None = None) -> None:
        self.type = type
        self._params = params
        self.tried = 0

    def params(self) -> JsonObject | None:
        return self._params

    async def complete(self, attempt: Attempt) -> str:
        self.tried += 1
        if attempt.credentials.get("word") == "slow down":
            raise LimitExceeded(1000)
        if attempt.credentials.get("word") != self.type:
            raise Forbidden("Wrong word")
        return f"{self.type} of {attempt.user_id}"


ONE: tuple[Flow, ...] = (("a",),)
TWO: tuple[Flow, ...] = (("a", "b"), ("a", "c"))


@pytest.fixture
def interactive(server: AccountsServer) -> UserInteractiveAuth:
    return made(server)


def made(server: AccountsServer, secret: bytes = SECRET) -> UserInteractiveAuth:
    stages = [Word("a"), Word("b", {"hint": "b"}), Word("c")]
    return UserInteractiveAuth(
        stages, UiaSessionIds(secret, LIFETIME_MS), server.uia_store, server.clock
    )


async def refused(
    interactive: UserInteractiveAuth,
    flows: tuple[Flow, ...],
    auth: JsonObject | None,
    operation: Operation = OPERATION,
) -> Any:
    """The body of the 401 that an attempt is answered with."""
    with pytest.raises(UserInteractiveAuthRequired) as caught:
        await interactive.authorise(operation, flows, auth)
    assert caught.value.status == 401
    return caught.value.body()


def word(kind: str, session: str | None = None, text: str | None = None) -> JsonObject:
    auth = {"type": kind, "word": text if text is not None else kind}
    return auth if session is None else {**auth, "session": session}


async def test_the_first_round_tells_the_flows(interactive: UserInteractiveAuth) -> None:
    body = await refused(interactive, TWO, None)

    session = body.pop("session")
    assert isinstance(session, str)
    assert body == {
        "flows": [{"stages": ["a", "b"]}, {"stages": ["a", "c"]}],
        "params": {"b": {"hint": "b"}},
    }


async def test_a_flow_of_one_stage_is_completed_at_once(
    interactive: UserInteractiveAuth, server: AccountsServer
) -> None:
    session = (await refused(interactive, ONE, None))["session"]

    authorisation = await interactive.authorise(OPERATION, ONE, word("a", session))

    assert authorisation.session_id == session
    assert authorisation.proved == {"a": f"a of {ALICE}"}
    assert server.rows("uia_sessions") == 0


async def test_a_stage_may_be_tried_without_asking_first(interactive: UserInteractiveAuth) -> None:
    authorisation = await interactive.authorise(OPERATION, ONE, word("a"))

    assert list(authorisation.proved) == ["a"]


async def test_a_failed_stage_may_be_tried_again(interactive: UserInteractiveAuth) -> None:
    session = (await refused(interactive, ONE, None))["session"]

    body = await refused(interactive, ONE, word("a", session, "wrong"))

    assert body["errcode"] == "M_FORBIDDEN"
    assert body["error"] == "Wrong word"
    assert body["session"] == session
    assert body["completed"] == []
    assert body["flows"] == [{"stages": ["a"]}]
    await interactive.authorise(OPERATION, ONE, word("a", session))


async def test_stages_are_completed_one_after_the_other(
    interactive: UserInteractiveAuth, server: AccountsServer
) -> None:
    session = (await refused(interactive, TWO, None))["session"]

    body = await refused(interactive, TWO, word("a", session))
    assert body["completed"] == ["a"]
    assert body["session"] == session
    assert "errcode" not in body
    assert server.rows("uia_sessions") == 1

    authorisation = await interactive.authorise(OPERATION, TWO, word("c", session))
    assert authorisation.proved == {"a": f"a of {ALICE}", "c": f"c of {ALICE}"}
    assert server.rows("uia_sessions") == 0


async def test_completed_stages_survive_a_restart(
    interactive: UserInteractiveAuth, server: AccountsServer
) -> None:
    session = (await refused(interactive, TWO, None))["session"]
    await refused(interactive, TWO, word("a", session))

    restarted = made(server)

    await restarted.authorise(OPERATION, TWO, word("b", session))


async def test_stages_must_be_completed_in_order(interactive: UserInteractiveAuth) -> None:
    session = (await refused(interactive, TWO, None))["session"]

    body = await refused(interactive, TWO, word("b", session))
    assert body["errcode"] == "M_UNKNOWN"
    assert body["completed"] == []
    body = await refused(interactive, TWO, word("nonsense", session))
    assert body["errcode"] == "M_UNKNOWN"

    await refused(interactive, TWO, word("a", session))
    await interactive.authorise(OPERATION, TWO, word("b", session))


async def test_a_completed_stage_is_not_tried_again(interactive: UserInteractiveAuth) -> None:
    session = (await refused(interactive, TWO, None))["session"]
    await refused(interactive, TWO, word("a", session))

    body = await refused(interactive, TWO, word("a", session, "wrong"))

    assert body["completed"] == ["a"]
    assert "errcode" not in body


async def test_a_request_with_the_session_alone_tells_how_far_it_is(
    interactive: UserInteractiveAuth,
) -> None:
    session = (await refused(interactive, TWO, None))["session"]

    assert (await refused(interactive, TWO, {"session": session}))["completed"] == []
    await refused(interactive, TWO, word("a", session))
    assert (await refused(interactive, TWO, {"session": session}))["completed"] == ["a"]
    assert (await refused(interactive, ONE, {}))["completed"] == []


async def test_a_session_authorises_once(interactive: UserInteractiveAuth) -> None:
    session = (await refused(interactive, TWO, None))["session"]
    await refused(interactive, TWO, word("a", session))
    await interactive.authorise(OPERATION, TWO, word("b", session))

    body = await refused(interactive, TWO, {"session": session})

    assert body["completed"] == []


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(OPERATION, method="DELETE"),
        attrs.evolve(OPERATION, path="/_matrix/client/v3/devices/A"),
        attrs.evolve(OPERATION, body={"devices": ["B"]}),
        attrs.evolve(OPERATION, body={}),
        attrs.evolve(OPERATION, user_id=UserId("@bob:hs")),
        attrs.evolve(OPERATION, user_id=None),
    ],
)
async def test_a_session_authorises_no_other_request(
    interactive: UserInteractiveAuth, other: Operation
) -> None:
    session = (await refused(interactive, TWO, None))["session"]
    await refused(interactive, TWO, word("a", session))

    body = await refused(interactive, TWO, word("b", session), other)

    assert body["errcode"] == "M_FORBIDDEN"
    assert body["completed"] == []
    assert body["session"] != session


async def test_the_order_of_keys_and_auth_do_not_make_another_request(
    interactive: UserInteractiveAuth,
) -> None:
    first = attrs.evolve(OPERATION, body={"devices": ["A"], "b": 1.5})
    session = (await refused(interactive, ONE, None, first))["session"]
    again = attrs.evolve(OPERATION, body={"auth": {"type": "a"}, "b": 1.5, "devices": ["A"]})

    await interactive.authorise(again, ONE, word("a", session))


async def test_a_session_expires(interactive: UserInteractiveAuth, server: AccountsServer) -> None:
    session = (await refused(interactive, TWO, None))["session"]
    await refused(interactive, TWO, word("a", session))
    server.clock.advance(LIFETIME_MS / 1000)

    body = await refused(interactive, TWO, word("b", session))

    assert body["errcode"] == "M_FORBIDDEN"
    assert body["completed"] == []
    assert body["session"] != session


@pytest.mark.parametrize("session", ["", "nonsense", "é" * 60, "0" * 60, "z" * 1000])
async def test_an_invented_session_is_replaced(
    interactive: UserInteractiveAuth, session: str
) -> None:
    body = await refused(interactive, ONE, word("a", session))

    assert body["session"] != session
    await interactive.authorise(OPERATION, ONE, word("a", body["session"]))


async def test_a_session_of_another_server_is_replaced(
    interactive: UserInteractiveAuth, server: AccountsServer
) -> None:
    session = (await refused(made(server, b"t" * 32), ONE, None))["session"]

    assert (await refused(interactive, ONE, word("a", session)))["session"] != session


@pytest.mark.parametrize("auth", [{"type": 1}, {"type": "a", "session": 1}, {"session": ["s"]}])
async def test_malformed_auth_is_refused(
    interactive: UserInteractiveAuth, auth: JsonObject
) -> None:
    with pytest.raises(BadJson):
        await interactive.authorise(OPERATION, ONE, auth)


async def test_errors_that_are_not_about_the_proof_are_answered_as_they_are(
    interactive: UserInteractiveAuth,
) -> None:
    with pytest.raises(LimitExceeded):
        await interactive.authorise(OPERATION, ONE, word("a", None, "slow down"))
