"""How other servers learn of our users' devices."""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName
from homeserver.ports.encryption.cross_signing import CrossSigningRow
from storage.encryption.cross_signing import SqlCrossSigningStore
from tests.federation.outbound.sending_server import (
    ALICE,
    BOB,
    THERE,
    SendingServer,
    device_keys,
    user_at,
)
from tests.rooms_fixture import OpenEngine

UPDATE = "m.device_list_update"


def chain(updates: list[JsonObject]) -> list[tuple[str, int, list[int]]]:
    """The device, the place and what came before it, of each update."""
    return [(each["device_id"], each["stream_id"], each["prev_id"]) for each in updates]


async def test_each_change_follows_the_one_before(server: SendingServer) -> None:
    await server.room(BOB)
    await server.device(ALICE, "PHONE", "Alice's phone")
    await server.device(ALICE, "LAPTOP")
    await server.uploads(ALICE, "PHONE")
    await server.passes()
    await server.uploads(ALICE, "LAPTOP")
    await server.passes()
    await server.uploads(ALICE, "PHONE", key="other")
    await server.passes()
    await server.deletes(ALICE, "LAPTOP")
    await server.passes()
    updates = server.network.edus(THERE, UPDATE)
    assert chain(updates) == [
        ("PHONE", 1, []),
        ("LAPTOP", 2, [1]),
        ("PHONE", 3, [2]),
        ("LAPTOP", 4, [3]),
    ]
    assert updates[0]["keys"] == device_keys(ALICE, "PHONE")
    assert updates[0]["device_display_name"] == "Alice's phone"
    assert "device_display_name" not in updates[1]
    assert updates[2]["keys"] == device_keys(ALICE, "PHONE", "other")
    assert updates[3]["deleted"] is True
    assert "keys" not in updates[3]


async def test_what_others_do_not_see_is_not_told(server: SendingServer) -> None:
    await server.room(BOB)
    await server.device(ALICE, "PHONE")
    await server.uploads(ALICE, "PHONE")
    await server.uploads(ALICE, "PHONE")
    await server.passes()
    assert len(server.network.edus(THERE, UPDATE)) == 1


async def test_changes_of_who_shares_no_room_are_not_told(server: SendingServer) -> None:
    await server.room()
    await server.device(ALICE, "PHONE")
    await server.uploads(ALICE, "PHONE")
    await server.passes(2)
    assert server.network.attempts == []


async def test_a_server_that_was_away_gets_one_update_for_each_changed_device(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    for name in ("PHONE", "LAPTOP", "TABLET"):
        await server.device(ALICE, name)
    await server.uploads(ALICE, "PHONE")
    await server.passes()
    server.network.down.add(THERE)
    await server.says(room, "hello")
    await server.passes()
    for key in ("two", "three", "four"):
        await server.uploads(ALICE, "PHONE", key)
    await server.uploads(ALICE, "LAPTOP")
    await server.uploads(ALICE, "TABLET")
    await server.deletes(ALICE, "LAPTOP")
    await server.passes(1)
    server.network.down.clear()
    await server.passes(60)
    updates = server.network.edus(THERE, UPDATE)[1:]
    assert chain(updates) == [("PHONE", 4, [1]), ("TABLET", 6, [4]), ("LAPTOP", 7, [6])]
    assert updates[0]["keys"] == device_keys(ALICE, "PHONE", "four")
    assert updates[2]["deleted"] is True


async def test_changes_outlast_a_crash(engine: OpenEngine) -> None:
    server = await SendingServer(engine).start()
    await server.room(BOB)
    await server.device(ALICE, "PHONE")
    await server.passes(2)
    server.network.slow[THERE] = []
    await server.uploads(ALICE, "PHONE")
    # It dies before anything is recorded or sent.
    await server.close()
    restarted = await SendingServer(engine).start()
    await restarted.passes(2)
    assert chain(restarted.network.edus(THERE, UPDATE)) == [("PHONE", 1, [])]
    await restarted.close()


async def test_a_server_that_our_user_meets_first_is_told_of_all_devices(
    server: SendingServer,
) -> None:
    await server.room(BOB)
    await server.device(ALICE, "PHONE")
    await server.uploads(ALICE, "PHONE")
    await server.passes()
    carol = user_at("hs", "carol")
    dave = user_at("elsewhere.example", "dave")
    other = await server.room(dave)
    await server.passes()
    await server.device(carol, "TV")
    await server.uploads(carol, "TV")
    await server.passes()
    assert server.network.edus(ServerName("elsewhere.example"), UPDATE) == []
    await server.member(other, carol, "join")
    await server.passes()
    told = server.network.edus(ServerName("elsewhere.example"), UPDATE)
    assert [(edu["user_id"], edu["device_id"]) for edu in told] == [(carol, "TV")]


async def test_changed_cross_signing_keys_are_told(server: SendingServer) -> None:
    await server.room(BOB)
    await server.passes()
    store = SqlCrossSigningStore(server.log)
    rows = [
        CrossSigningRow(ALICE, usage, usage, b'{"usage":["%b"]}' % usage.encode())
        for usage in ("master", "self_signing", "user_signing")
    ]
    await server.changes.write(ALICE, lambda tx, position: store.put(tx, rows))
    await server.passes()
    assert server.network.edus(THERE, "m.signing_key_update") == [
        {
            "user_id": ALICE,
            "master_key": {"usage": ["master"]},
            "self_signing_key": {"usage": ["self_signing"]},
        }
    ]
    assert server.network.edus(THERE, UPDATE) == []


async def test_the_list_that_others_fetch_goes_on_with_the_next_change(
    server: SendingServer,
) -> None:
    await server.room(BOB)
    await server.device(ALICE, "PHONE")
    await server.uploads(ALICE, "PHONE")
    await server.passes()
    listed = await server.stream.device_list(ALICE)
    assert [device.device_id for device in listed.devices] == ["PHONE"]
    await server.uploads(ALICE, "PHONE", "other")
    await server.passes()
    assert server.network.edus(THERE, UPDATE)[-1]["prev_id"] == [listed.stream_id]
