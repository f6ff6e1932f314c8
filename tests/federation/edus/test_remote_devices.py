"""Following the devices of other servers' users, and looking up their keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import UserId
from homeserver.domain.signing import SigningKey, sign_json
from homeserver.ports.encryption.cross_signing import CrossSigningRow
from homeserver.rooms.actor import RoomActor
from homeserver.services.encryption.key_signatures import KeySignatures
from storage.encryption.cross_signing import SqlCrossSigningStore
from tests.federation.edus.receiving_server import (
    BOB,
    THERE,
    ReceivingServer,
    remote_device,
    remote_list,
)
from tests.homeserver.encryption import ClientDevice, signing_key

CAROL = UserId(f"@carol:{THERE}")
UPDATE = "m.device_list_update"


def update(stream_id: int, previous: list[int], device_id: str, key: str = "one") -> dict[str, Any]:
    return {
        **remote_device(device_id, key),
        "user_id": BOB,
        "stream_id": stream_id,
        "prev_id": previous,
    }


async def meet(server: ReceivingServer) -> tuple[ClientDevice, RoomActor]:
    """Alice, and a room in which Bob is too, who has a phone."""
    alice = await server.device("alice")
    room = await server.room(alice)
    await server.joins(room, BOB)
    server.remote.lists[BOB] = remote_list(5, remote_device("PHONE"))
    return alice, room


async def test_a_list_is_fetched_once_and_then_followed(server: ReceivingServer) -> None:
    alice, _ = await meet(server)
    first = await server.keys_of(alice.user_id, BOB)
    assert first["device_keys"][BOB]["PHONE"]["unsigned"] == {"device_display_name": "the PHONE"}
    assert first["failures"] == {}
    since = await alice.is_up_to_date()
    await server.hears(UPDATE, update(6, [5], "LAPTOP"))
    answer = await alice.sync(since)
    assert answer.changed == [BOB]
    after = await server.keys_of(alice.user_id, BOB)
    assert set(after["device_keys"][BOB]) == {"PHONE", "LAPTOP"}
    await server.hears(
        UPDATE,
        {"user_id": BOB, "device_id": "PHONE", "stream_id": 7, "prev_id": [6], "deleted": True},
    )
    after = await server.keys_of(alice.user_id, BOB)
    assert set(after["device_keys"][BOB]) == {"LAPTOP"}
    assert server.remote.asked == [BOB]


async def test_an_update_that_comes_again_changes_nothing(server: ReceivingServer) -> None:
    alice, _ = await meet(server)
    await server.keys_of(alice.user_id, BOB)
    await server.hears(UPDATE, update(6, [5], "LAPTOP"))
    since = await alice.is_up_to_date()
    await server.hears(UPDATE, update(6, [5], "LAPTOP", "older"))
    assert not await alice.has_news(since)


async def test_a_gap_makes_the_list_be_fetched_anew(server: ReceivingServer) -> None:
    alice, _ = await meet(server)
    await server.keys_of(alice.user_id, BOB)
    server.remote.lists[BOB] = remote_list(8, remote_device("TABLET"))
    await server.hears(UPDATE, update(8, [7], "TABLET"))
    after = await server.keys_of(alice.user_id, BOB)
    assert set(after["device_keys"][BOB]) == {"TABLET"}
    assert set(server.remote.asked) == {BOB}
    await server.hears(UPDATE, update(9, [8], "PHONE"))
    asked = len(server.remote.asked)
    after = await server.keys_of(alice.user_id, BOB)
    assert set(after["device_keys"][BOB]) == {"TABLET", "PHONE"}
    assert len(server.remote.asked) == asked


async def test_a_list_with_a_gap_is_not_relied_on_while_its_server_is_away(
    server: ReceivingServer,
) -> None:
    alice, _ = await meet(server)
    await server.keys_of(alice.user_id, BOB)
    server.remote.is_down = True
    await server.hears(UPDATE, update(8, [7], "TABLET"))
    answer = await server.keys_of(alice.user_id, BOB)
    assert answer["failures"] == {THERE: {}}
    assert BOB not in answer["device_keys"]
    asked = len(server.remote.asked)
    for _ in range(20):
        server.clock.advance(1)
        await server.log.drained()
        await server.lists.seen([BOB])
    assert asked < len(server.remote.asked) < asked + 6, "ever more seldom"
    server.remote.is_down = False
    server.remote.lists[BOB] = remote_list(8, remote_device("TABLET"))
    after = await server.keys_of(alice.user_id, BOB)
    assert set(after["device_keys"][BOB]) == {"TABLET"}


async def test_many_who_ask_at_once_share_one_fetch(server: ReceivingServer) -> None:
    await meet(server)
    server.remote.held = []
    running = [Deferred.fromCoroutine(server.lists.fetch(BOB)) for _ in range(5)]
    assert len(server.remote.asked) == 1
    server.remote.release()
    for each in running:
        await each
    assert server.remote.asked == [BOB]


async def test_a_change_that_comes_during_a_fetch_is_not_lost(server: ReceivingServer) -> None:
    alice, _ = await meet(server)
    server.remote.held = []
    running = Deferred.fromCoroutine(server.lists.fetch(BOB))
    old = server.remote.lists[BOB]
    await server.hears(UPDATE, update(6, [5], "LAPTOP"))
    # What is on its way was said before.
    server.remote.answers_next = [old]
    server.remote.lists[BOB] = remote_list(6, remote_device("PHONE"), remote_device("LAPTOP"))
    server.remote.release()
    await running
    assert server.remote.asked == [BOB, BOB]
    answer = await server.keys_of(alice.user_id, BOB)
    assert set(answer["device_keys"][BOB]) == {"PHONE", "LAPTOP"}


async def test_users_whom_nobody_here_meets_are_asked_for_each_time(
    server: ReceivingServer,
) -> None:
    alice, _ = await meet(server)
    server.remote.lists[CAROL] = remote_list(1, remote_device("TV", user_id=CAROL), user_id=CAROL)
    for _ in range(2):
        answer = await server.keys_of(alice.user_id, CAROL)
        assert set(answer["device_keys"][CAROL]) == {"TV"}
    assert server.remote.asked == ["query", "query"]
    since = await alice.is_up_to_date()
    await server.hears(UPDATE, {**update(2, [1], "TV"), "user_id": CAROL})
    assert not await alice.has_news(since)


async def test_a_list_is_forgotten_with_the_last_shared_room(server: ReceivingServer) -> None:
    alice, room = await meet(server)
    await server.keys_of(alice.user_id, BOB)
    await server.joins(room, BOB, "leave")
    await server.log.drained()
    await server.lists.seen([BOB])
    await server.log.drained()
    assert server.rows("SELECT 1 FROM remote_device_lists") == []
    assert server.rows("SELECT 1 FROM remote_devices") == []


async def test_a_list_is_forgotten_when_we_leave(server: ReceivingServer) -> None:
    alice, room = await meet(server)
    await server.keys_of(alice.user_id, BOB)
    await alice.leaves(room)
    await server.log.drained()
    await server.lists.seen([BOB])
    await server.log.drained()
    assert server.rows("SELECT 1 FROM remote_device_lists") == []


@pytest.mark.parametrize("edu_type", ["m.signing_key_update", "org.matrix.signing_key_update"])
async def test_cross_signing_keys_are_followed(server: ReceivingServer, edu_type: str) -> None:
    alice, _ = await meet(server)
    await server.keys_of(alice.user_id, BOB)
    public = signing_key("m").verify_key_base64
    master = {"user_id": BOB, "usage": ["master"], "keys": {f"ed25519:{public}": public}}
    since = await alice.is_up_to_date()
    await server.hears(edu_type, {"user_id": BOB, "master_key": master})
    assert (await alice.sync(since)).changed == [BOB]
    assert (await server.keys_of(alice.user_id, BOB))["master_keys"][BOB] == master


@pytest.mark.parametrize(
    "changed",
    [
        {"user_id": "@alice:hs"},
        {"device_id": 7},
        {"device_id": ""},
        {"stream_id": "6"},
        {"stream_id": -1},
        {"prev_id": "5"},
        {"prev_id": [1.5]},
        {"keys": "text"},
        {"keys": {"user_id": "@other:there.example", "device_id": "LAPTOP"}},
    ],
)
async def test_updates_that_cannot_be_are_ignored(
    server: ReceivingServer, changed: dict[str, Any]
) -> None:
    alice, _ = await meet(server)
    before = await server.keys_of(alice.user_id, BOB)
    since = await alice.is_up_to_date()
    await server.hears(UPDATE, {**update(6, [5], "LAPTOP"), **changed})
    assert not await alice.has_news(since)
    assert await server.keys_of(alice.user_id, BOB) == before


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"user_id": "@other:there.example", "stream_id": 1, "devices": []},
        {"user_id": BOB, "stream_id": None, "devices": []},
        {"user_id": BOB, "stream_id": 1, "devices": {}},
        {"user_id": BOB, "stream_id": 1, "devices": [], "master_key": "text"},
    ],
)
async def test_answers_that_cannot_be_are_failures(
    server: ReceivingServer, answer: dict[str, Any]
) -> None:
    alice, _ = await meet(server)
    server.remote.lists[BOB] = answer
    found = await server.keys_of(alice.user_id, BOB)
    assert found["failures"] == {THERE: {}}
    assert server.rows("SELECT 1 FROM remote_device_lists") == []


async def test_keys_are_claimed_of_their_server(server: ReceivingServer) -> None:
    key = {"key": "x", "signatures": {}}
    server.remote.claims = {
        "one_time_keys": {
            BOB: {"PHONE": {"signed_curve25519:A": key}, "UNASKED": {"signed_curve25519:B": key}},
            "@alice:hs": {"PHONE": {"signed_curve25519:C": key}},
        }
    }
    claimed = await server.key_servers.claim({BOB: {"PHONE": "signed_curve25519", "TV": "x"}})
    assert claimed.keys == {BOB: {"PHONE": {"signed_curve25519:A": key}}}
    answer = json.loads(await server.claims.claim({BOB: {"PHONE": "signed_curve25519"}}))
    assert answer["one_time_keys"] == {BOB: {"PHONE": {"signed_curve25519:A": key}}}
    server.remote.is_down = True
    claimed = await server.key_servers.claim({BOB: {"PHONE": "signed_curve25519"}})
    assert (claimed.keys, claimed.failures) == ({}, {THERE: {}})


async def test_a_master_key_of_another_server_is_signed_for_the_signer_alone(
    server: ReceivingServer,
) -> None:
    alice, _ = await meet(server)
    public = signing_key("m").verify_key_base64
    master = {"user_id": BOB, "usage": ["master"], "keys": {f"ed25519:{public}": public}}
    server.remote.lists[BOB] = {**remote_list(5), "master_key": master}
    user_signing = signing_key("u")
    name = user_signing.verify_key_base64
    mine = {"user_id": alice.user_id, "usage": ["user_signing"], "keys": {f"ed25519:{name}": name}}
    store = SqlCrossSigningStore(server.log)
    row = CrossSigningRow(alice.user_id, "user_signing", name, json.dumps(mine).encode())
    await server.changes.write(alice.user_id, lambda tx, position: store.put(tx, [row]))
    signer = SigningKey.from_seed(name, user_signing.seed_base64)
    signed = sign_json(master, alice.user_id, signer)
    signatures = KeySignatures(
        server.device_keys, store, server.changes, server.log, server.key_servers
    )
    assert await signatures.upload(alice.user_id, {BOB: {public: signed}}) == {}
    seen = await server.keys_of(alice.user_id, BOB)
    assert seen["master_keys"][BOB] == signed
    assert (await server.keys_of(CAROL, BOB))["master_keys"][BOB] == master
