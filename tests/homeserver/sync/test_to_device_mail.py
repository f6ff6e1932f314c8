"""To-device messages as syncs deliver them."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from homeserver.log.tokens import SyncToken
from homeserver.sync.sessions import KEPT_SECONDS
from homeserver.sync.to_device_mail import AT_ONCE
from tests.deferreds import together
from tests.homeserver.encryption import ClientDevice, EncryptionServer
from tests.interruptible import Interruptible
from tests.rooms_fixture import Engine, sqlite_at

STORED = "SELECT count(*) FROM to_device_messages"


async def numbers_until_done(device: ClientDevice, since: str | None) -> tuple[list[int], str]:
    """The numbers of all messages that come, and the token after the last."""
    found: list[int] = []
    while True:
        answer = await device.sync(since)
        since = answer.next_batch
        if not answer.messages:
            return found, since
        found += [message["content"]["number"] for message in answer.messages]


async def is_forgotten(device: ClientDevice) -> None:
    """Let so much time pass that the session of a device is not remembered."""
    server = device.server
    session = weakref.ref(await server.sessions.of(device.user_id))
    for _ in range(2):
        server.clock.advance(KEPT_SECONDS)
    gc.collect()
    assert session() is None


async def test_a_message_is_delivered_and_then_deleted(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    start = await desk.is_up_to_date()

    assert (await phone.sends(desk, txn_id="1", text="hi")).status == 200

    assert await desk.has_news(start)
    answer = await desk.sync(start)
    assert answer.messages == [
        {"content": {"text": "hi"}, "sender": "@alice:hs", "type": "org.example.note"}
    ]
    # Until the client comes back with the new token, it is told again.
    assert (await desk.sync(start)).messages == answer.messages
    assert encryption.rows(STORED) == [(1,)]

    assert not await desk.has_news(answer.next_batch)
    assert (await desk.sync(answer.next_batch)).messages == []
    await encryption.log.drained()
    assert encryption.rows(STORED) == [(0,)]


async def test_a_waiting_sync_is_woken_by_a_message(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    await desk.is_up_to_date()
    waiter = (await encryption.sessions.of(desk.user_id)).wait()

    await phone.sends(desk, txn_id="1")
    assert not waiter.called
    encryption.clock.advance(0)

    assert waiter.called


async def test_nothing_is_deleted_where_nothing_was_delivered(
    encryption: EncryptionServer,
) -> None:
    desk = await encryption.device("bob")
    token = await desk.is_up_to_date()
    await encryption.log.drained()
    batches = len(encryption.batches)

    for _ in range(3):
        token = (await desk.sync(token)).next_batch

    await encryption.log.drained()
    assert len(encryption.batches) == batches


async def test_a_long_queue_comes_in_parts_each_message_once(
    encryption: EncryptionServer,
) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    start = await desk.is_up_to_date()
    count = 2 * AT_ONCE + 5
    await together(*(phone.sends(desk, txn_id=str(n), number=n) for n in range(count)))

    first = await desk.sync(start)
    assert len(first.messages) == AT_ONCE
    assert await desk.has_news(first.next_batch)
    repeated = await desk.sync(start)
    assert repeated.messages == first.messages

    found, _ = await numbers_until_done(desk, start)
    assert found == list(range(count))
    await encryption.log.drained()
    assert encryption.rows(STORED) == [(0,)]
    assert encryption.rows("SELECT count(*) FROM to_device_cursors") == [(0,)]


async def test_messages_survive_restarts_in_order_and_come_once(tmp_path: Path) -> None:
    server = EncryptionServer(sqlite_at(tmp_path / "restarted.db"))
    phone, desk = await server.device("alice"), await server.device("bob")
    since = await desk.is_up_to_date()
    count = 3 * AT_ONCE + 1
    await together(*(phone.sends(desk, txn_id=str(n), number=n) for n in range(count)))
    found: list[int] = []
    while True:
        answer = await desk.sync(since)
        if not answer.messages:
            break
        found += [message["content"]["number"] for message in answer.messages]
        since = answer.next_batch
        server = await server.restart()
        desk = server.known_device(desk.user_id, desk.device_id)

    assert found == list(range(count))
    await server.log.drained()
    assert server.rows(STORED) == [(0,)]
    await server.close()


async def test_a_token_from_before_a_restart_acknowledges(tmp_path: Path) -> None:
    server = EncryptionServer(sqlite_at(tmp_path / "restarted.db"))
    phone, desk = await server.device("alice"), await server.device("bob")
    await phone.sends(desk, txn_id="1")
    answer = await desk.sync(await desk.is_up_to_date())
    token = (await desk.sync()).next_batch
    server = await server.restart()
    desk = server.known_device(desk.user_id, desk.device_id)

    answer = await desk.sync(token)

    assert answer.messages == []
    await server.log.drained()
    assert server.rows(STORED) == [(0,)]
    await server.close()


async def test_each_device_has_a_queue_of_its_own(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    desk, tablet = await encryption.device("bob", "DESK"), await encryption.device("bob", "TABLET")
    await phone.sends(desk, tablet, txn_id="1")

    await desk.sync((await desk.sync()).next_batch)
    await encryption.log.drained()

    assert len((await tablet.sync()).messages) == 1
    assert (await desk.sync()).messages == []


async def test_a_deletion_that_fails_is_made_up_for(tmp_path: Path) -> None:
    databases: list[Interruptible] = []

    def through(engine: Engine) -> Interruptible:
        databases.append(Interruptible(engine))
        return databases[-1]

    server = EncryptionServer(sqlite_at(tmp_path / "interrupted.db"), through)
    phone, desk = await server.device("alice"), await server.device("bob")
    await phone.sends(desk, txn_id="1")
    token = (await desk.sync()).next_batch

    databases[0].is_down = True
    token = (await desk.sync(token)).next_batch
    await server.log.drained()
    databases[0].is_down = False
    assert server.rows(STORED) == [(1,)]

    await phone.sends(desk, txn_id="2")
    answer = await desk.sync(token)
    assert len(answer.messages) == 1
    await desk.sync(answer.next_batch)
    await server.log.drained()
    assert server.rows(STORED) == [(0,)]
    await server.close()


async def test_what_was_acknowledged_is_not_told_again_before_it_is_deleted(
    tmp_path: Path,
) -> None:
    databases: list[Interruptible] = []

    def through(engine: Engine) -> Interruptible:
        databases.append(Interruptible(engine))
        return databases[-1]

    server = EncryptionServer(sqlite_at(tmp_path / "interrupted.db"), through)
    phone, desk = await server.device("alice"), await server.device("bob")
    await phone.sends(desk, txn_id="1", number=1)
    start = str(SyncToken((0,)))
    databases[0].is_down = True
    await desk.sync((await desk.sync()).next_batch)
    await server.log.drained()
    databases[0].is_down = False
    assert server.rows(STORED) == [(1,)]

    assert (await desk.sync()).messages == []
    assert (await desk.sync(start)).messages == []
    await is_forgotten(desk)
    assert (await desk.sync()).messages == []
    await phone.sends(desk, txn_id="2", number=2)
    answer = await desk.sync()
    assert [message["content"]["number"] for message in answer.messages] == [2]
    await desk.sync(answer.next_batch)
    await server.log.drained()
    assert server.rows(STORED) == [(0,)]
    assert (await desk.sync()).messages == []
    await server.close()


async def test_a_token_of_the_future_acknowledges_nothing_that_is_still_to_come(
    encryption: EncryptionServer,
) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    await desk.is_up_to_date()
    await desk.sync("s999999")

    await phone.sends(desk, txn_id="1")

    assert len((await desk.sync()).messages) == 1


async def test_a_message_that_was_not_stored_is_not_acknowledged(tmp_path: Path) -> None:
    databases: list[Interruptible] = []

    def through(engine: Engine) -> Interruptible:
        databases.append(Interruptible(engine))
        return databases[-1]

    server = EncryptionServer(sqlite_at(tmp_path / "interrupted.db"), through)
    phone, desk = await server.device("alice"), await server.device("bob")
    databases[0].is_down = True
    assert (await phone.sends(desk, txn_id="1")).status == 503
    databases[0].is_down = False

    assert (await phone.sends(desk, txn_id="1")).status == 200

    assert len((await desk.sync()).messages) == 1
    await server.close()
