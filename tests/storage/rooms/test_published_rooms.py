"""The directory of published rooms, written with what it is taken from."""

from __future__ import annotations

import pytest

from homeserver.ports.rooms.published_rooms import DirectoryQuery
from storage.rooms.published_rooms import SqlPublishedRoomStore
from tests.rooms_fixture import RoomsServer


@pytest.fixture
def store(rooms: RoomsServer) -> SqlPublishedRoomStore:
    return SqlPublishedRoomStore(rooms.log)


async def names(store: SqlPublishedRoomStore, query: DirectoryQuery) -> list[str | None]:
    return [summary.name for _, summary in (await store.page(query)).rooms]


async def test_only_published_rooms_have_a_row(
    rooms: RoomsServer, store: SqlPublishedRoomStore
) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(name="private")
    room_id = await alice.creates_room(name="public", visibility="public")
    assert await names(store, DirectoryQuery(10)) == ["public"]

    await store.set_published((await rooms.actor(room_id)).view.nid, False)
    await alice.sets(room_id, "m.room.name", {"name": "still not listed"})

    assert rooms.rows("SELECT count(*) FROM published_rooms") == [(0,)]


async def test_a_row_is_written_in_the_transaction_of_the_event(
    rooms: RoomsServer, store: SqlPublishedRoomStore
) -> None:
    alice, bob = rooms.person("alice"), rooms.person("bob")
    room_id = await alice.creates_room(name="one", visibility="public")
    rooms.batches.clear()

    await alice.sets(room_id, "m.room.name", {"name": "Two"})
    await bob.joins(room_id)

    assert rooms.batches == [1, 1]
    rows = rooms.rows("SELECT joined_members, room_type, search_text FROM published_rooms")
    assert rows == [(2, "", "two")]


async def test_what_is_private_in_a_summary_is_not_listed(
    rooms: RoomsServer, store: SqlPublishedRoomStore
) -> None:
    allow = [{"type": "m.room_membership", "room_id": "!secret:hs"}]
    rules = {"join_rule": "restricted", "allow": allow}
    await rooms.person("alice").creates_room(
        visibility="public", initial_state=[{"type": "m.room.join_rules", "content": rules}]
    )

    ((_, summary),) = (await store.page(DirectoryQuery(10))).rooms

    assert summary.join_rule == "restricted"
    assert summary.allowed_room_ids == ()


async def test_rooms_are_searched_literally_and_whatever_the_case(
    rooms: RoomsServer, store: SqlPublishedRoomStore
) -> None:
    alice = rooms.person("alice")
    for name in ("ÄPFEL 50%", "birnen_und\\mehr", "老茶馆"):
        await alice.creates_room(name=name, visibility="public")

    async def found(term: str) -> list[str | None]:
        return await names(store, DirectoryQuery(10, search_term=term))

    assert await found("äpfel") == await found("50%") == ["ÄPFEL 50%"]
    assert await found("N_U") == await found("\\MEHR") == ["birnen_und\\mehr"]
    assert await found("茶馆") == ["老茶馆"]
    assert await found("5_%") == await found("茶老") == []


async def test_pages_lead_both_ways(rooms: RoomsServer, store: SqlPublishedRoomStore) -> None:
    people = [rooms.person(f"user{n}") for n in range(3)]
    for members in (1, 2, 3, 1, 2):
        room_id = await people[0].creates_room(name=f"{members}", visibility="public")
        for person in people[1:members]:
            await person.joins(room_id)

    first = await store.page(DirectoryQuery(2))
    second = await store.page(DirectoryQuery(2, after=first.rooms[-1][0]))
    third = await store.page(DirectoryQuery(2, after=second.rooms[-1][0]))
    back = await store.page(DirectoryQuery(2, after=third.rooms[0][0], backwards=True))

    pages = [[s.name for _, s in page.rooms] for page in (first, second, third)]
    assert pages == [["3", "2"], ["2", "1"], ["1"]]
    assert back.rooms == second.rooms
    assert [page.more for page in (first, second, third, back)] == [True, True, False, True]
    assert {page.total for page in (first, second, third, back)} == {5}


async def test_types_are_told_apart(rooms: RoomsServer, store: SqlPublishedRoomStore) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(name="room", visibility="public")
    await alice.creates_room(
        name="space", visibility="public", creation_content={"type": "m.space"}
    )

    assert await names(store, DirectoryQuery(10, room_types=("m.space",))) == ["space"]
    assert await names(store, DirectoryQuery(10, room_types=("",))) == ["room"]
    assert await names(store, DirectoryQuery(10, room_types=())) == []


async def test_what_a_database_cannot_hold_does_no_harm(
    rooms: RoomsServer, store: SqlPublishedRoomStore
) -> None:
    alice = rooms.person("alice")
    await alice.creates_room(
        name="a\0b", visibility="public", creation_content={"type": "org\0example"}
    )

    assert await names(store, DirectoryQuery(10)) == ["a\0b"]
    assert await names(store, DirectoryQuery(10, search_term="a\0B")) == ["a\0b"]
    assert await names(store, DirectoryQuery(10, room_types=("org\0example",))) == ["a\0b"]
