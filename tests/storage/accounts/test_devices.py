"""Devices, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.accounts.devices import Device, DeviceSeen
from homeserver.ports.accounts.session_tokens import TokenKey
from homeserver.ports.database import Transactions
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.login_tokens import SqlLoginTokenStore
from storage.accounts.sessions import SqlSessionStore
from tests.storage.accounts.sessions import new_session

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
PHONE, TABLET, LAPTOP = DeviceId("PHONE"), DeviceId("TABLET"), DeviceId("LAPTOP")


@pytest.fixture
async def sessions(transactions: Transactions) -> SqlSessionStore:
    accounts = SqlAccountStore(transactions)
    sessions = SqlSessionStore(transactions)
    for user_id in (ALICE, BOB):
        await accounts.register(NewAccount(user_id, 1, "hash"), None)
        for number, device_id in enumerate((PHONE, TABLET)):
            name = f"{user_id} {device_id}"
            await sessions.open(
                new_session(user_id, device_id, f"a {name}", f"r {name}", created_ts=number)
            )
    return sessions


@pytest.fixture
def store(transactions: Transactions, sessions: SqlSessionStore) -> SqlDeviceStore:
    return SqlDeviceStore(transactions)


async def known_tokens(sessions: SqlSessionStore, user_id: UserId) -> list[str]:
    known = []
    for device_id in (PHONE, TABLET):
        name = f"{user_id} {device_id}"
        if await sessions.by_access_token(TokenKey.of(f"a {name}")) is not None:
            known.append(f"a {device_id}")
        if await sessions.by_refresh_token(TokenKey.of(f"r {name}")) is not None:
            known.append(f"r {device_id}")
    return known


async def test_devices_are_listed_in_the_order_they_were_made(store: SqlDeviceStore) -> None:
    assert await store.devices(ALICE) == [
        Device(PHONE, None, None, None, None),
        Device(TABLET, None, None, None, None),
    ]
    assert await store.devices(UserId("@nobody:hs")) == []


async def test_a_device_is_renamed(store: SqlDeviceStore) -> None:
    assert await store.rename(ALICE, PHONE, "My phone")
    assert not await store.rename(ALICE, LAPTOP, "My laptop")

    assert await store.device(ALICE, PHONE) == Device(PHONE, "My phone", None, None, None)
    assert await store.device(BOB, PHONE) == Device(PHONE, None, None, None, None)
    assert await store.device(ALICE, LAPTOP) is None


async def test_deleting_devices_revokes_their_tokens(
    store: SqlDeviceStore, sessions: SqlSessionStore
) -> None:
    assert await store.delete(ALICE, [PHONE, LAPTOP]) == [PHONE]

    assert [device.device_id for device in await store.devices(ALICE)] == [TABLET]
    assert await known_tokens(sessions, ALICE) == ["a TABLET", "r TABLET"]
    assert len(await known_tokens(sessions, BOB)) == 4
    assert await store.delete(ALICE, []) == []


async def test_deleting_all_devices_may_keep_one(
    store: SqlDeviceStore, sessions: SqlSessionStore, transactions: Transactions
) -> None:
    login_tokens = SqlLoginTokenStore(transactions)
    await login_tokens.add(TokenKey.of("l1"), ALICE, 100, 1)

    assert await store.delete_all(ALICE, keep=TABLET) == [PHONE]

    assert await known_tokens(sessions, ALICE) == ["a TABLET", "r TABLET"]
    assert await login_tokens.redeem(TokenKey.of("l1"), 1) is None
    assert await store.delete_all(ALICE, keep=None) == [TABLET]
    assert await known_tokens(sessions, ALICE) == []
    assert len(await known_tokens(sessions, BOB)) == 4


async def test_the_newest_sighting_of_a_device_counts(store: SqlDeviceStore) -> None:
    await store.seen(
        [
            DeviceSeen(ALICE, PHONE, 20, "192.0.2.1", "Phone 1.0"),
            DeviceSeen(BOB, PHONE, 10, "2001:db8::1", ""),
        ]
    )
    await store.seen([DeviceSeen(ALICE, PHONE, 15, "192.0.2.9", "Phone 0.9")])
    await store.seen([])

    assert await store.device(ALICE, PHONE) == Device(PHONE, None, 20, "192.0.2.1", "Phone 1.0")
    assert await store.device(BOB, PHONE) == Device(PHONE, None, 10, "2001:db8::1", "")
    assert await store.device(ALICE, TABLET) == Device(TABLET, None, None, None, None)


async def test_a_sighting_does_not_bring_a_deleted_device_back(store: SqlDeviceStore) -> None:
    await store.delete(ALICE, [PHONE])

    await store.seen([DeviceSeen(ALICE, PHONE, 20, "192.0.2.1", "Phone 1.0")])

    assert await store.device(ALICE, PHONE) is None
