"""The extension to_device."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam
from homeserver.sync.sliding.extensions.to_device import ToDeviceExtension
from homeserver.sync.to_device_mail import AT_ONCE
from tests.deferreds import on_event_loop
from tests.homeserver.encryption import ClientDevice, EncryptionServer
from tests.homeserver.sync.sliding.extension_rounds import DeviceAsking
from tests.rooms_fixture import sqlite_at

STORED = "SELECT count(*) FROM to_device_messages"


def numbers(answer: JsonObject | None) -> list[int]:
    return [event["content"]["number"] for event in answer["events"]] if answer else []


async def receives(sender: ClientDevice, receiver: ClientDevice, *numbers: int) -> None:
    for number in numbers:
        await sender.sends(receiver, txn_id=str(number), number=number)


@pytest_asyncio.fixture
async def phone(encryption: EncryptionServer) -> ClientDevice:
    return await on_event_loop(encryption.device("alice"))


@pytest_asyncio.fixture
async def desk(encryption: EncryptionServer) -> ClientDevice:
    return await on_event_loop(encryption.device("bob"))


@pytest.fixture
def asking(encryption: EncryptionServer, desk: ClientDevice) -> DeviceAsking:
    return DeviceAsking(ToDeviceExtension(encryption.updates), desk)


async def test_messages_are_delivered_until_they_are_acknowledged(
    encryption: EncryptionServer, asking: DeviceAsking, phone: ClientDevice, desk: ClientDevice
) -> None:
    await receives(phone, desk, 1)
    first = await asking.turn()
    assert first is not None
    assert first["events"] == [
        {"content": {"number": 1}, "sender": "@alice:hs", "type": "org.example.note"}
    ]
    # The position of the connection acknowledges nothing.
    assert await asking.turn() == first
    await receives(phone, desk, 2)
    assert numbers(await asking.turn()) == [1, 2]
    second = await asking.turn(since=first["next_batch"])
    assert numbers(second) == [2]
    assert second is not None
    assert await asking.turn(since=second["next_batch"]) is None
    await encryption.log.drained()
    assert encryption.rows(STORED) == [(0,)]
    # What was acknowledged does not come back, whatever token is sent.
    assert await asking.turn() is None
    assert not await asking.has_news()


async def test_there_is_always_a_token(asking: DeviceAsking) -> None:
    assert await asking.turn() is None
    standing = await asking.standing()
    assert standing is not None
    assert standing.keys() == {"next_batch"}
    assert not await asking.has_news(since=standing["next_batch"])


async def test_a_message_that_comes_is_news(
    asking: DeviceAsking, phone: ClientDevice, desk: ClientDevice
) -> None:
    await asking.turn()
    standing = await asking.standing()
    assert standing is not None
    token = standing["next_batch"]
    waiter = (await desk.server.sessions.of(desk.user_id)).wait()
    await receives(phone, desk, 1)
    desk.server.clock.advance(0)
    assert waiter.called
    assert await asking.has_news(since=token)
    assert numbers(await asking.turn(since=token)) == [1]


@pytest.mark.parametrize(("limit", "size"), [(3, 3), (None, AT_ONCE), (10**6, AT_ONCE), (0, 1)])
async def test_a_long_queue_comes_in_parts(
    asking: DeviceAsking, phone: ClientDevice, desk: ClientDevice, limit: int | None, size: int
) -> None:
    count = AT_ONCE + 5
    await receives(phone, desk, *range(count))
    found: list[int] = []
    token = None
    for _ in range(3):
        answer = await asking.turn(limit=limit, since=token)
        assert answer is not None
        assert len(answer["events"]) == min(size, count - len(found))
        found += numbers(answer)
        token = answer["next_batch"]
        if len(found) == count:
            break
        assert await asking.has_news(limit=limit, since=token)
    assert found == list(range(len(found)))


async def test_tokens_outlive_the_process(
    tmp_path: Path, encryption: EncryptionServer, phone: ClientDevice, desk: ClientDevice
) -> None:
    await receives(phone, desk, 1, 2)
    asking = DeviceAsking(ToDeviceExtension(encryption.updates), desk)
    first = await asking.turn(limit=1)
    assert first is not None
    await encryption.close()
    again = EncryptionServer(sqlite_at(tmp_path / "myelin.db"))
    known = again.known_device(desk.user_id, desk.device_id)
    later = DeviceAsking(ToDeviceExtension(again.updates), known, asking.since)
    assert await later.has_news(since=first["next_batch"])
    assert numbers(await later.turn(since=first["next_batch"])) == [2]
    await again.log.drained()
    assert again.rows(STORED) == [(1,)]
    await again.close()


async def test_the_other_sync_may_be_used_too(
    asking: DeviceAsking, phone: ClientDevice, desk: ClientDevice
) -> None:
    token = await desk.is_up_to_date()
    await receives(phone, desk, *range(AT_ONCE + 1))
    answer = await desk.sync(token)
    assert len(answer.messages) == AT_ONCE
    # Its token stands for less than its position, which is no matter of this extension.
    sliding = await asking.turn()
    assert numbers(sliding) == list(range(AT_ONCE))
    assert sliding is not None
    assert numbers(await asking.turn(since=sliding["next_batch"])) == [AT_ONCE]
    assert [m["content"]["number"] for m in (await desk.sync(answer.next_batch)).messages] == [
        AT_ONCE
    ]


@pytest.mark.parametrize("token", ["", "s1", "m", "m-1", "m1.5", "m" + "9" * 30, "m１"])
async def test_tokens_that_are_none_are_refused(asking: DeviceAsking, token: str) -> None:
    await asking.turn()
    with pytest.raises(InvalidParam):
        await asking.has_news(since=token)
    with pytest.raises(InvalidParam):
        await asking.look(since=token)
