"""Whose devices changed, as syncs and /keys/changes tell it."""

from __future__ import annotations

import pytest

from tests.homeserver.encryption import Answer, ClientDevice, EncryptionServer, one_time_keys
from tests.rooms_fixture import refused


async def changes(device: ClientDevice, since: str) -> tuple[list[str], list[str]]:
    """What /keys/changes tells."""
    newest = ",".join(map(str, device.server.log.published))
    response = await device.get(f"/keys/changes?from={since}&to=s{newest.replace(',', '_')}")
    assert response.status == 200
    return response.json["changed"], response.json["left"]


async def told(device: ClientDevice, since: str) -> Answer:
    """What a sync tells, which /keys/changes tells as well."""
    answer = await device.sync(since)
    assert (answer.changed, answer.left) == await changes(device, since)
    return answer


async def test_new_keys_are_told_to_those_who_share_a_room(encryption: EncryptionServer) -> None:
    alice, bob, carol = [await encryption.device(name) for name in ("alice", "bob", "carol")]
    await encryption.room(alice, bob)
    tokens = {device: await device.is_up_to_date() for device in (alice, bob, carol)}
    waiter = (await encryption.sessions.of(bob.user_id)).wait()

    await alice.uploads(device_keys=alice.identity_keys())
    encryption.clock.advance(0)

    assert waiter.called
    answer = await told(bob, tokens[bob])
    assert (answer.changed, answer.left) == ([alice.user_id], [])
    assert (await told(alice, tokens[alice])).changed == [alice.user_id]
    assert not await carol.has_news(tokens[carol])
    assert (await told(carol, tokens[carol])).changed == []
    assert not await bob.has_news(answer.next_batch)
    assert (await bob.sync(answer.next_batch)).changed == []


async def test_the_same_keys_again_are_no_news(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(alice, bob)
    await alice.uploads(device_keys=alice.identity_keys())
    token = await bob.is_up_to_date()

    await alice.uploads(device_keys=alice.identity_keys(), one_time_keys=one_time_keys("1"))

    assert not await bob.has_news(token)


async def test_a_user_who_comes_in_is_to_be_looked_up(encryption: EncryptionServer) -> None:
    alice, bob, carol = [await encryption.device(name) for name in ("alice", "bob", "carol")]
    room = await encryption.room(alice, carol)
    tokens = {device: await device.is_up_to_date() for device in (alice, bob)}

    await bob.joins(room)

    assert (await told(alice, tokens[alice])).changed == [bob.user_id]
    both = {alice.user_id, carol.user_id}
    assert both <= set((await told(bob, tokens[bob])).changed)


async def test_another_name_is_no_news(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    room = await encryption.room(alice, bob)
    token = await alice.is_up_to_date()

    await bob.takes_name(room, "Bobby")

    assert not await alice.has_news(token)
    assert await changes(alice, token) == ([], [])


async def test_who_leaves_the_last_shared_room_is_left(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    rooms = [await encryption.room(alice, bob) for _ in range(2)]
    tokens = {device: await device.is_up_to_date() for device in (alice, bob)}

    await bob.leaves(rooms[0])
    answer = await told(alice, tokens[alice])
    assert (answer.changed, answer.left) == ([], [])

    await bob.leaves(rooms[1])
    assert (await told(alice, answer.next_batch)).left == [bob.user_id]
    assert (await told(bob, tokens[bob])).left == [alice.user_id]


async def test_who_leaves_and_comes_back_has_changed(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    room = await encryption.room(alice, bob)
    token = await alice.is_up_to_date()

    await bob.leaves(room)
    await bob.joins(room)

    answer = await told(alice, token)
    assert (answer.changed, answer.left) == ([bob.user_id], [])


async def test_keys_that_change_out_of_sight_are_told_on_return(
    encryption: EncryptionServer,
) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    room = await encryption.room(alice, bob)
    await bob.leaves(room)
    token = await alice.is_up_to_date()

    await bob.uploads(device_keys=bob.identity_keys())
    assert not await alice.has_news(token)
    await bob.joins(room)

    assert (await told(alice, token)).changed == [bob.user_id]


async def test_what_happened_before_a_restart_is_told(encryption: EncryptionServer) -> None:
    alice, bob, carol = [await encryption.device(name) for name in ("alice", "bob", "carol")]
    dave = await encryption.device("dave")
    room = await encryption.room(alice, bob, carol)
    token = await alice.is_up_to_date()
    await bob.uploads(device_keys=bob.identity_keys())
    await carol.leaves(room)
    await dave.joins(room)
    server = await encryption.restart()
    alice = server.known_device(alice.user_id, alice.device_id)

    assert await alice.has_news(token)
    answer = await told(alice, token)

    assert (answer.changed, answer.left) == ([bob.user_id, dave.user_id], [carol.user_id])
    await server.close()


async def test_an_initial_sync_tells_nothing_of_others(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(alice, bob)
    await bob.uploads(device_keys=bob.identity_keys())

    assert "device_lists" not in (await alice.sync()).body


async def test_a_deleted_device_is_news_to_others(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(alice, bob)
    await bob.uploads(device_keys=bob.identity_keys())
    token = await alice.is_up_to_date()

    await encryption.device_store.delete(bob.user_id, [bob.device_id])
    await encryption.traces.device_deleted(bob.user_id, [bob.device_id])

    assert (await told(alice, token)).changed == [bob.user_id]
    assert encryption.rows("SELECT count(*) FROM device_keys") == [(0,)]


async def test_a_device_without_keys_goes_and_is_renamed_unnoticed(
    encryption: EncryptionServer,
) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(alice, bob)
    token = await alice.is_up_to_date()

    await encryption.traces.device_changed(bob.user_id, bob.device_id)
    await encryption.traces.device_deleted(bob.user_id, [bob.device_id])

    assert not await alice.has_news(token)


async def test_another_name_of_a_device_with_keys_is_news(encryption: EncryptionServer) -> None:
    alice, bob = await encryption.device("alice"), await encryption.device("bob")
    await encryption.room(alice, bob)
    await bob.uploads(device_keys=bob.identity_keys())
    token = await alice.is_up_to_date()

    await encryption.traces.device_changed(bob.user_id, bob.device_id)

    assert (await told(alice, token)).changed == [bob.user_id]


async def test_an_interrupted_deletion_is_completed(encryption: EncryptionServer) -> None:
    bob = await encryption.device("bob")
    await bob.uploads(device_keys=bob.identity_keys(), one_time_keys=one_time_keys("1"))
    await encryption.device_store.delete(bob.user_id, [bob.device_id])

    await encryption.traces.resume()

    for table in ("device_keys", "one_time_keys"):
        assert encryption.rows(f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("", "M_MISSING_PARAM"),
        ("from=s0", "M_MISSING_PARAM"),
        ("from=s0&to=x", "M_INVALID_PARAM"),
        ("from=t0&to=s0", "M_INVALID_PARAM"),
    ],
)
async def test_malformed_windows_are_refused(
    encryption: EncryptionServer, query: str, errcode: str
) -> None:
    alice = await encryption.device("alice")

    assert refused(await alice.get(f"/keys/changes?{query}")) == (400, errcode)
