"""Which servers are in rooms."""

from __future__ import annotations

from homeserver.domain.identifiers import RoomId, ServerName
from homeserver.ports.database import Transaction, Transactions
from storage.federation.servers_in_rooms import SqlServersInRooms

ROOM, OTHER_ROOM = RoomId("!room:hs"), RoomId("!other:hs")
ROOMS = [ROOM, OTHER_ROOM, RoomId("!unknown:hs")]


def _fill(tx: Transaction) -> None:
    tx.insert(
        "INSERT INTO rooms (room_nid, room_id, version, shard, published, created_ts) VALUES",
        [(1, ROOM, "12", 0, False, 1), (2, OTHER_ROOM, "12", 0, False, 1)],
    )
    members = [
        (1, "@a:b.example:80", "join"),
        (1, "@bob:other.example", "leave"),
        (2, "@bob:other.example", "join"),
        (2, "@eve:stranger_example", "invite"),
        (1, "@six:[::1]:8448", "join"),
    ]
    tx.insert(
        "INSERT INTO memberships (user_id, room_nid, membership, event_nid, position, sender,"
        " joined_position, ordinal, room_highlight_ordinal, forgotten) VALUES",
        [(user, nid, membership, 1, 1, user, 1, 0, 0, False) for nid, user, membership in members],
    )


async def test_servers_are_where_their_users_are(transactions: Transactions) -> None:
    await transactions.write(_fill)
    store = SqlServersInRooms(transactions)
    assert await store.joined(ServerName("other.example"), ROOMS) == {OTHER_ROOM}
    assert await store.joined(ServerName("b.example:80"), ROOMS) == {ROOM}
    assert await store.joined(ServerName("[::1]:8448"), ROOMS) == {ROOM}
    assert await store.joined(ServerName("other.example"), []) == set()
    assert await store.joined(ServerName("stranger_example"), ROOMS) == set()
    assert await store.invited(ServerName("stranger_example"), ROOMS) == {OTHER_ROOM}


async def test_names_that_are_only_alike_are_other_servers(transactions: Transactions) -> None:
    await transactions.write(_fill)
    store = SqlServersInRooms(transactions)
    for name in ("80", "b.example", "example", "ther.example", "1]:8448", "%", "other_example"):
        assert await store.joined(ServerName(name), ROOMS) == set()
    assert await store.invited(ServerName("strangerxexample"), ROOMS) == set()
