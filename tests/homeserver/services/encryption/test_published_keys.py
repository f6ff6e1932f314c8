"""What is remembered of published keys is what is stored."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.device_keys import DeviceKeysRow
from homeserver.services.encryption.published_keys import (
    CAPACITY,
    USER_BYTES,
    PublishedKeys,
    UserKeys,
)
from storage.encryption.cross_signing import SqlCrossSigningStore
from storage.encryption.device_keys import SqlDeviceKeyStore
from tests.homeserver.encryption import ClientDevice, EncryptionServer


class CountedStore(SqlDeviceKeyStore):
    """Notes whose keys are read."""

    def __init__(self, server: EncryptionServer) -> None:
        super().__init__(server.log)
        self.read: list[set[UserId]] = []
        self.answered_late = False
        self._server = server

    async def device_keys(self, user_ids: Collection[UserId]) -> list[DeviceKeysRow]:
        self.read.append(set(user_ids))
        rows = await super().device_keys(user_ids)
        if self.answered_late:
            await self._server.changes.write(next(iter(user_ids)), _nothing)
        return rows


def _nothing(tx: Transaction, position: int) -> None:
    """Something changed that this test does not look at."""


def published(
    server: EncryptionServer, store: CountedStore, capacity: int = CAPACITY
) -> PublishedKeys:
    return PublishedKeys(store, SqlCrossSigningStore(server.log), server.changes, capacity)


async def of_user(keys: PublishedKeys, device: ClientDevice) -> UserKeys:
    return (await keys.of_users([device.user_id]))[device.user_id]


async def test_keys_are_read_once_until_they_change(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    store = CountedStore(encryption)
    keys = published(encryption, store)

    assert (await of_user(keys, phone)).devices == {}
    assert (await of_user(keys, phone)).devices == {}
    assert len(store.read) == 1

    await phone.uploads(device_keys=phone.identity_keys())
    assert (await of_user(keys, phone)).devices.keys() == {phone.device_id}

    await encryption.device_store.rename(phone.user_id, phone.device_id, "My phone")
    await encryption.traces.device_changed(phone.user_id, phone.device_id)
    assert b"My phone" in (await of_user(keys, phone)).devices[phone.device_id]

    await encryption.device_store.delete(phone.user_id, [phone.device_id])
    await encryption.traces.device_deleted(phone.user_id, [phone.device_id])
    assert (await of_user(keys, phone)).devices == {}


async def test_what_was_read_before_a_change_is_not_remembered(
    encryption: EncryptionServer,
) -> None:
    phone = await encryption.device("alice")
    store = CountedStore(encryption)
    keys = published(encryption, store)
    store.answered_late = True

    await of_user(keys, phone)
    await of_user(keys, phone)

    assert len(store.read) == 2


async def test_a_change_that_failed_is_a_change(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    store = CountedStore(encryption)
    keys = published(encryption, store)
    await of_user(keys, phone)

    def fail(tx: Transaction, position: int) -> None:
        raise RuntimeError("the connection broke")

    with pytest.raises(RuntimeError):
        await encryption.changes.write(phone.user_id, fail)
    await of_user(keys, phone)

    assert len(store.read) == 2


async def test_so_many_bytes_are_remembered(encryption: EncryptionServer) -> None:
    devices = [await encryption.device(name) for name in ("alice", "bob", "carol")]
    store = CountedStore(encryption)
    keys = published(encryption, store, capacity=2 * USER_BYTES)
    alice, *others = [device.user_id for device in devices]

    await keys.of_users([alice, *others])
    await keys.of_users([alice, *others])

    assert store.read == [{alice, *others}, {alice}]


async def test_keys_that_are_too_large_to_be_remembered_are_read(
    encryption: EncryptionServer,
) -> None:
    phone = await encryption.device("alice")
    await phone.uploads(device_keys=phone.identity_keys())
    store = CountedStore(encryption)
    keys = published(encryption, store, capacity=USER_BYTES)

    assert (await of_user(keys, phone)).devices.keys() == {phone.device_id}
    assert (await of_user(keys, phone)).devices.keys() == {phone.device_id}

    assert len(store.read) == 2
