"""Who wants to be invited."""

from __future__ import annotations

import pytest

from homeserver.services.personal.invite_permissions import InvitePermissions
from tests.homeserver.personal_server import ALICE, BOB, CAROL, PersonalServer

TYPE = "m.invite_permission_config"


async def test_who_blocks_invites_is_known_without_asking_again() -> None:
    server = PersonalServer()
    permissions = InvitePermissions(server.account_data_store, server.log)
    await server.account_data.put(ALICE, None, TYPE, b'{"default_action":"block"}')
    server.database.reads = 0
    for _ in range(2):
        assert await permissions.blocking([ALICE, BOB]) == [ALICE]
    assert server.database.reads == 1


async def test_users_change_their_minds() -> None:
    server = PersonalServer()
    permissions = InvitePermissions(server.account_data_store, server.log)
    assert await permissions.blocking([ALICE]) == []
    await server.account_data.put(ALICE, None, TYPE, b'{"default_action":"block"}')
    assert await permissions.blocking([ALICE]) == [ALICE]
    await server.account_data.put(ALICE, None, TYPE, b"{}")
    assert await permissions.blocking([ALICE]) == []


@pytest.mark.parametrize(
    "content", [b"{}", b'{"default_action":"allow"}', b'{"default_action":["block"]}']
)
async def test_other_settings_mean_nothing(content: bytes) -> None:
    server = PersonalServer()
    permissions = InvitePermissions(server.account_data_store, server.log)
    await server.account_data.put(ALICE, None, TYPE, content)
    assert await permissions.blocking([ALICE]) == []


async def test_those_asked_for_last_are_remembered() -> None:
    server = PersonalServer()
    permissions = InvitePermissions(server.account_data_store, server.log, capacity=2)
    await permissions.blocking([ALICE, BOB, CAROL])
    server.database.reads = 0
    await permissions.blocking([BOB, CAROL])
    assert server.database.reads == 0
    await permissions.blocking([ALICE])
    assert server.database.reads == 1
