"""Registering accounts."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import Forbidden, InvalidParam, InvalidUsername, UserInUse
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.services.accounts.accounts import Registration
from homeserver.services.accounts.session_tokens import SessionRequest
from homeserver.services.accounts.uia_session_ids import UiaSession
from tests.homeserver.accounts import PASSWORD, AccountsServer

ALICE = UserId("@alice:hs")


@pytest.mark.parametrize(
    ("username", "user_id"),
    [
        ("alice", "@alice:hs"),
        ("Alice", "@alice:hs"),
        ("a.b_c=d-e/f+0", "@a.b_c=d-e/f+0:hs"),
        ("x" * 251, f"@{'x' * 251}:hs"),
    ],
)
def test_a_user_name_becomes_a_user_id(server: AccountsServer, username: str, user_id: str) -> None:
    assert server.accounts.user_id_for(username) == user_id


@pytest.mark.parametrize(
    "username", ["", "al ice", "alice!", "@alice", "alice:hs", "ålice", "al\0ice", "x" * 252]
)
def test_other_names_are_refused(server: AccountsServer, username: str) -> None:
    with pytest.raises(InvalidUsername):
        server.accounts.user_id_for(username)


def test_who_wants_no_name_gets_one(server: AccountsServer) -> None:
    first, second = server.accounts.user_id_for(None), server.accounts.user_id_for(None)

    assert first != second
    assert server.accounts.user_id_for(first[1:].partition(":")[0]) == first


async def test_a_new_user_and_their_device_are_told_of(server: AccountsServer) -> None:
    request = SessionRequest(DeviceId("PHONE"), "My phone")

    await server.accounts.register(Registration(ALICE, PASSWORD, request))

    assert server.events.taken() == [
        ("user_registered", ALICE, None),
        ("device_changed", ALICE, "PHONE"),
    ]
    assert (await server.devices.get(ALICE, DeviceId("PHONE"))).display_name == "My phone"


async def test_a_registration_may_go_without_a_session(server: AccountsServer) -> None:
    assert await server.accounts.register(Registration(ALICE, PASSWORD)) is None

    assert server.events.taken() == [("user_registered", ALICE, None)]
    assert server.rows("devices") == server.rows("access_tokens") == 0


async def test_a_name_is_given_once(server: AccountsServer) -> None:
    await server.register("alice")

    with pytest.raises(UserInUse):
        await server.accounts.require_available(ALICE)
    with pytest.raises(UserInUse):
        await server.accounts.register(Registration(ALICE, PASSWORD, SessionRequest()))

    assert server.rows("devices") == 1
    assert server.events.taken() == []
    await server.accounts.require_available(UserId("@bob:hs"))


async def test_without_its_registration_token_nobody_is_registered(
    server: AccountsServer,
) -> None:
    with pytest.raises(Forbidden):
        await server.accounts.register(
            Registration(ALICE, PASSWORD, SessionRequest(), reservation="lapsed")
        )

    assert server.rows("users") == server.rows("devices") == 0


async def test_a_guest_has_a_name_and_a_device_of_the_servers_choice(
    server: AccountsServer,
) -> None:
    issued = await server.accounts.register_guest(SessionRequest(display_name="Guest"))

    requester = await server.authentication.authenticate(issued.access_token)
    assert requester.is_guest
    assert requester.user_id == issued.user_id
    assert server.events.taken()[0] == ("user_registered", issued.user_id, None)


async def test_only_a_guest_is_upgraded(server: AccountsServer) -> None:
    alice = await server.register("alice")

    with pytest.raises(Forbidden):
        await server.accounts.upgrade_guest(Registration(alice.user_id, "another password"))

    credentials = {"user": "alice", "password": PASSWORD}
    await server.password_authentication.authenticate(credentials)


async def test_registration_tokens_are_made_up_or_chosen(server: AccountsServer) -> None:
    tokens = server.registration_tokens

    made_up = await tokens.create()
    assert await tokens.is_valid(made_up.token)

    await tokens.create("chosen-1", uses_allowed=1)
    assert await tokens.is_valid("chosen-1")
    with pytest.raises(InvalidParam):
        await tokens.create("chosen-1")


@pytest.mark.parametrize("token", ["", "a b", "x" * 65, "a\0b", "é"])
async def test_malformed_registration_tokens_are_refused(
    server: AccountsServer, token: str
) -> None:
    with pytest.raises(InvalidParam):
        await server.registration_tokens.create(token)

    assert not await server.registration_tokens.is_valid(token)
    session = UiaSession("session", server.clock.now_ms() + 1)
    assert not await server.registration_tokens.reserve(token, session)
