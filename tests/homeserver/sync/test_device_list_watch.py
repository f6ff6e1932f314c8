"""The notes of a session about device lists."""

from __future__ import annotations

from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import SyncToken
from homeserver.sync.device_list_watch import DeviceListWatch, ListChanges

ALICE, BOB = UserId("@alice:hs"), UserId("@bob:hs")


def token(*positions: int) -> SyncToken:
    return SyncToken(positions)


def test_what_came_after_a_token_is_told() -> None:
    watch = DeviceListWatch([10, 20])
    watch.user_changed(ALICE, (0, 11))
    watch.user_left(BOB, (1, 21))
    watch.entered(7, (0, 12))
    watch.departed(8, (1, 22))

    assert watch.since(token(10, 20)) == ListChanges({ALICE}, {BOB}, {7}, {8})
    assert watch.since(token(11, 21)) == ListChanges(set(), set(), {7}, {8})
    assert watch.since(token(12, 22)) == ListChanges()
    assert watch.has_news(token(12, 21))
    assert watch.has_news(token(11, 22))
    assert not watch.has_news(token(12, 22))


def test_what_came_before_it_began_is_not_known() -> None:
    watch = DeviceListWatch([10, 20])

    assert watch.reaches_back_to(token(10, 20))
    assert watch.reaches_back_to(token(15, 25))
    assert not watch.reaches_back_to(token(9, 25))
    assert watch.has_news(token(9, 25))


def test_notes_do_not_grow_without_bound() -> None:
    watch = DeviceListWatch([0])
    for position in range(1, 5002):
        watch.user_changed(UserId(f"@user{position}:hs"), (0, position))

    assert not watch.reaches_back_to(token(5000))
    assert watch.has_news(token(5000))
    assert watch.reaches_back_to(token(5001))
    assert watch.since(token(5001)) == ListChanges()
