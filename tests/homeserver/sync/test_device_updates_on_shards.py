"""Messages, keys and device lists where users and rooms are spread over several shards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from homeserver.log.shards import shard_of_user
from storage.engines.schema import migrate
from tests.homeserver.encryption import EncryptionServer, one_time_keys
from tests.rooms_fixture import sqlite_at

SHARDS = 3
NAMES = [f"user{number}" for number in range(9)]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EncryptionServer]:
    """A server on a database with several shards."""
    open_engine = sqlite_at(tmp_path / "sharded.db")
    engine = open_engine()
    migrate(engine)
    engine.write_blocking(
        lambda tx: tx.insert(
            "INSERT INTO shards (shard, high_water) VALUES",
            [(shard, 0) for shard in range(SHARDS)],
            "ON CONFLICT DO NOTHING",
        )
    )
    engine.close()
    made = EncryptionServer(open_engine)
    assert made.log.shards == SHARDS
    yield made
    await made.close()


async def test_a_request_reaches_users_of_all_shards_once(server: EncryptionServer) -> None:
    devices = [await server.device(name) for name in NAMES]
    assert len({shard_of_user(device.user_id, SHARDS) for device in devices}) == SHARDS
    tokens = [await device.is_up_to_date() for device in devices]

    for _ in range(2):
        await devices[0].sends(*devices, txn_id="1", n=1)

    for device, token in zip(devices, tokens, strict=True):
        answer = await device.sync(token)
        assert [message["content"] for message in answer.messages] == [{"n": 1}]
        assert (await device.sync(answer.next_batch)).messages == []
    await server.log.drained()
    assert server.rows("SELECT count(*) FROM to_device_messages") == [(0,)]


async def test_one_claim_takes_keys_of_users_of_all_shards(server: EncryptionServer) -> None:
    devices = [await server.device(name) for name in NAMES]
    for device in devices:
        await device.uploads(one_time_keys=one_time_keys("1"))

    wanted = {device.user_id: {device.device_id: "signed_curve25519"} for device in devices}
    response = await devices[0].post("/keys/claim", {"one_time_keys": wanted})

    assert sorted(response.json["one_time_keys"]) == sorted(wanted)
    for device in devices:
        assert (await device.sync()).body["device_one_time_keys_count"] == {"signed_curve25519": 0}


async def test_changes_are_told_across_shards_before_and_after_a_restart(
    server: EncryptionServer,
) -> None:
    devices = [await server.device(name) for name in NAMES]
    await server.room(devices[0], *devices[1:])
    await server.room(devices[1], devices[0])
    token = await devices[0].is_up_to_date()

    for device in devices[1:]:
        await device.uploads(device_keys=device.identity_keys())

    expected = [device.user_id for device in devices[1:]]
    assert (await devices[0].sync(token)).changed == expected
    restarted = await server.restart()
    first = restarted.known_device(devices[0].user_id, devices[0].device_id)
    assert (await first.sync(token)).changed == expected
    await restarted.close()
