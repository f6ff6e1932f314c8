"""Messages between devices, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.ports.database import Transactions
from homeserver.ports.encryption.to_device import (
    Acknowledgement,
    Mailbox,
    StoredMessage,
    ToDeviceMessage,
    ToDeviceTransaction,
)
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.sessions import SqlSessionStore
from storage.encryption.to_device import SqlToDeviceStore
from tests.storage.accounts.sessions import new_session

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")
PHONE, TABLET, GONE = DeviceId("PHONE"), DeviceId("TABLET"), DeviceId("GONE")


@pytest.fixture
async def store(transactions: Transactions) -> SqlToDeviceStore:
    accounts, sessions = SqlAccountStore(transactions), SqlSessionStore(transactions)
    for user_id in (ALICE, BOB):
        await accounts.register(NewAccount(user_id, 1), None)
        for device_id in (PHONE, TABLET):
            await sessions.open(new_session(user_id, device_id, f"{user_id} {device_id}"))
    return SqlToDeviceStore(transactions)


async def add(
    store: SqlToDeviceStore, transactions: Transactions, position: int, *devices: DeviceId
) -> None:
    event = b'{"position":%d}' % position
    messages = [(position, ToDeviceMessage(ALICE, device_id, event)) for device_id in devices]
    await transactions.write(store.add, messages)


async def test_messages_wait_in_order_for_devices_that_exist(
    store: SqlToDeviceStore, transactions: Transactions
) -> None:
    await add(store, transactions, 3, PHONE, TABLET, GONE)
    await add(store, transactions, 5, PHONE)

    assert await store.messages(ALICE, PHONE, 0, 9, 10) == [
        StoredMessage(3, b'{"position":3}'),
        StoredMessage(5, b'{"position":5}'),
    ]
    assert [m.position for m in await store.messages(ALICE, PHONE, 3, 5, 10)] == [5]
    assert [m.position for m in await store.messages(ALICE, PHONE, 0, 4, 10)] == [3]
    assert [m.position for m in await store.messages(ALICE, PHONE, 0, 9, 1)] == [3]
    assert await store.messages(ALICE, GONE, 0, 9, 10) == []
    assert await store.mailbox(ALICE, PHONE) == Mailbox(3, 5, {})
    assert await store.mailbox(BOB, PHONE) == Mailbox(0, 0, {})


async def test_acknowledged_messages_are_deleted(
    store: SqlToDeviceStore, transactions: Transactions
) -> None:
    await add(store, transactions, 3, PHONE, TABLET)
    await add(store, transactions, 5, PHONE, TABLET)
    await transactions.write(store.set_cursor, (ALICE, PHONE), 4, 2)
    await transactions.write(store.set_cursor, (ALICE, PHONE), 4, 3)
    await transactions.write(store.set_cursor, (ALICE, PHONE), 6, 5)
    assert (await store.mailbox(ALICE, PHONE)).cursors == {4: 3, 6: 5}

    await store.acknowledge(
        [Acknowledgement(ALICE, PHONE, 3, 6), Acknowledgement(ALICE, TABLET, 7, 7)]
    )

    assert await store.mailbox(ALICE, PHONE) == Mailbox(5, 5, {6: 5})
    assert await store.mailbox(ALICE, TABLET) == Mailbox(0, 0, {})
    await store.acknowledge([])


async def test_a_transaction_is_carried_out_once_for_each_shard(
    store: SqlToDeviceStore, transactions: Transactions
) -> None:
    first = ToDeviceTransaction(ALICE, "PHONE", "m.x", "1", 1000)
    other_type = ToDeviceTransaction(ALICE, "PHONE", "m.y", "1", 2000)

    assert await transactions.write(store.begin, first, [0]) == [0]
    assert await transactions.write(store.begin, first, [0]) == []
    assert await transactions.write(store.begin, first, [0, 1]) == [1]
    assert await transactions.write(store.begin, other_type, [0]) == [0]

    await transactions.write(store.forget_transactions, 1500)
    await transactions.write(store.forget_transactions, 1500)
    assert await transactions.write(store.begin, first, [0]) == [0]
    assert await transactions.write(store.begin, other_type, [0]) == []


async def test_all_devices_of_users_are_found(store: SqlToDeviceStore) -> None:
    found = await store.devices_of([ALICE, UserId("@nobody:hs")])

    assert sorted(found) == [(ALICE, PHONE), (ALICE, TABLET)]
