"""Profiles, in both databases."""

from __future__ import annotations

import pytest

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction, Transactions
from homeserver.ports.personal.profile_store import ProfileUpdate, ShownProfile
from homeserver.ports.personal.profiles import Profile
from storage.personal.profiles import SqlProfileStore

ALICE = UserId("@alice:hs")
BOB = UserId("@bob:hs")
NOBODY = Profile()


@pytest.fixture
def store(transactions: Transactions) -> SqlProfileStore:
    return SqlProfileStore(transactions)


async def test_fields_are_those_that_were_set_last(store: SqlProfileStore) -> None:
    await store.set_fields(ALICE, b'{"m.tz":"UTC"}', NOBODY, NOBODY)
    await store.set_fields(ALICE, b'{"m.tz":"CET"}', NOBODY, NOBODY)
    assert await store.fields([ALICE, BOB]) == {ALICE: b'{"m.tz":"CET"}'}


async def test_a_change_that_rooms_do_not_show_is_no_update(store: SqlProfileStore) -> None:
    assert await store.set_fields(ALICE, b'{"m.tz":"UTC"}', NOBODY, NOBODY) is None
    assert await store.updates() == []


async def test_changes_join_the_update_that_is_under_way(store: SqlProfileStore) -> None:
    first, second = Profile("Al", None), Profile("Ali", None)
    third = Profile("Ali", "mxc://hs/a")
    await store.set_fields(ALICE, b"{}", NOBODY, first)
    await store.set_fields(ALICE, b"{}", first, second)
    update = await store.set_fields(ALICE, b"{}", second, third)
    assert update == ProfileUpdate(ALICE, 3, frozenset({None, "Al"}), frozenset({None}))
    assert await store.updates() == [update]


async def test_an_update_is_finished_unless_it_was_joined(store: SqlProfileStore) -> None:
    first, second = Profile("Al"), Profile("Ali")
    update = await store.set_fields(ALICE, b"{}", NOBODY, first)
    joined = await store.set_fields(ALICE, b"{}", first, second)
    assert update is not None
    assert joined is not None
    await store.finish(update)
    assert await store.updates() == [joined]
    await store.finish(joined)
    assert await store.updates() == []


async def test_nothing_remains_of_an_erased_profile(store: SqlProfileStore) -> None:
    await store.set_fields(ALICE, b"{}", NOBODY, Profile("Al"))
    await store.erase(ALICE)
    assert await store.fields([ALICE]) == {}
    assert await store.updates() == []


async def test_rooms_show_a_name_and_a_picture_of_who_is_in_them(
    store: SqlProfileStore, transactions: Transactions
) -> None:
    def work(tx: Transaction) -> None:
        tx.insert(
            "INSERT INTO memberships (user_id, room_nid, membership, event_nid, position, sender,"
            " display_name, avatar_url, joined_position, ordinal, room_highlight_ordinal,"
            " forgotten) VALUES",
            [
                (ALICE, 1, "join", 1, 1, ALICE, "Al", None, 1, 0, 0, False),
                (ALICE, 2, "leave", 2, 2, ALICE, "Al", None, 1, 0, 0, False),
                (ALICE, 3, "join", 3, 3, ALICE, None, "mxc://hs/a", 1, 0, 0, False),
                (BOB, 1, "join", 4, 4, BOB, "Bob", None, 1, 0, 0, False),
            ],
        )

    await transactions.write(work)
    assert await store.shown_in_rooms(ALICE) == [
        ShownProfile(1, "Al", None),
        ShownProfile(3, None, "mxc://hs/a"),
    ]
