"""What a connection was sent, as of the answer that the client processed last."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import UnknownPos
from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.events import make_nid
from homeserver.sync.sliding.connections import ANSWERS, Connection, SentRoom
from homeserver.sync.sliding.required_state import RequiredState, StateRule
from homeserver.sync.sliding.room_configs import RoomConfig
from homeserver.sync.sliding.saved_connections import restored, saved

SECRET = b"secret"
ROOM, OTHER, THIRD = make_nid(1, 0), make_nid(2, 1), make_nid(3, 0)
RULE = StateRule(frozenset({("m.room.name", "")}), frozenset({(None, "x")}), True)
SENT = SentRoom(RoomConfig(5, RequiredState.of(RULE)))
ALICE = UserId("@alice:hs")


def token(*positions: int) -> SyncToken:
    return SyncToken(positions)


def answered(connection: Connection, until: SyncToken, *nids: int) -> str:
    """An answer that tells some rooms; its position."""
    draft = connection.draft()
    for nid in nids:
        draft.put(nid, SENT)
    return connection.issue(draft, until)


def test_rooms_count_as_sent_once_their_answer_is_processed() -> None:
    connection = Connection(SECRET)
    lost = answered(connection, token(1, 1), ROOM, OTHER)
    pos = answered(connection, token(2, 1), ROOM)
    assert connection.rooms == {}
    assert connection.resume(pos, 2) == token(2, 1)
    assert connection.rooms == {ROOM: SENT}
    with pytest.raises(UnknownPos):
        connection.resume(lost, 2)
    assert connection.resume(pos, 2) == token(2, 1)


def test_any_of_the_last_answers_to_a_position_may_have_arrived() -> None:
    connection = Connection(SECRET)
    issued = [answered(connection, token(n, 0), make_nid(n, 0)) for n in range(ANSWERS + 1)]
    with pytest.raises(UnknownPos):
        connection.resume(issued[0], 2)
    connection.resume(issued[1], 2)
    assert list(connection.rooms) == [make_nid(1, 0)]


def test_an_answer_to_a_position_that_was_left_changes_nothing() -> None:
    connection = Connection(SECRET)
    draft = connection.draft()
    pos = answered(connection, token(1, 1), ROOM)
    connection.resume(pos, 2)
    draft.put(OTHER, SENT)
    late = connection.issue(draft, token(2, 2))
    with pytest.raises(UnknownPos):
        connection.resume(late, 2)
    assert connection.rooms == {ROOM: SENT}


def test_members_and_timelines_count_as_sent_once_they_arrive() -> None:
    connection = Connection(SECRET)
    positions = []
    for held in ((5, 0), (3, 0)):
        draft = connection.draft()
        draft.delivery.members.append((ROOM, [ALICE]))
        draft.delivery.held[ROOM] = held
        positions.append(connection.issue(draft, token(1, 1)))
    assert connection.knows_members(ROOM) == frozenset()
    assert connection.held_from(ROOM) is None
    connection.resume(positions[1], 2)
    assert connection.knows_members(ROOM) == {ALICE}
    assert connection.held_from(ROOM) == (3, 0)
    connection.forget_members(ROOM)
    assert connection.knows_members(ROOM) == frozenset()


def again(connection: Connection) -> Connection:
    """The connection after a restart."""
    return restored(SECRET, saved(connection))


def test_a_connection_is_stored_with_the_answers_that_are_on_their_way() -> None:
    connection = Connection(SECRET)
    first = answered(connection, token(1, 1), ROOM)
    connection.resume(first, 2)
    second = answered(connection, token(2, 1), OTHER)
    for pos, rooms in ((first, {ROOM}), (second, {ROOM, OTHER})):
        found = again(connection)
        found.resume(pos, 2)
        assert found.rooms == dict.fromkeys(rooms, SENT)
    behind = SentRoom(SENT.config, 7)
    connection.rooms[THIRD] = behind
    found = again(connection)
    assert found.rooms == {ROOM: SENT, THIRD: behind}


def test_what_came_after_the_stored_answer_is_told_again() -> None:
    connection = Connection(SECRET)
    connection.resume(answered(connection, token(10, 20), ROOM, OTHER), 2)
    stored = saved(connection)
    connection.resume(answered(connection, token(11, 21)), 2)
    lost = answered(connection, token(12, 22), THIRD)
    connection.resume(lost, 2)
    found = restored(SECRET, stored)
    assert found.resume(lost, 2) == token(12, 22)
    assert found.rooms == {
        ROOM: SentRoom(SENT.config, 10),
        OTHER: SentRoom(SENT.config, 20),
    }
    pos = answered(found, token(13, 23), THIRD)
    found.resume(pos, 2)
    assert THIRD in found.rooms
    with pytest.raises(UnknownPos):
        found.resume(lost, 2)


def test_the_answer_before_a_lost_one_counts_when_it_was_stored() -> None:
    connection = Connection(SECRET)
    first = answered(connection, token(10, 20), ROOM)
    stored = saved(connection)
    connection.resume(first, 2)
    lost = answered(connection, token(12, 22), THIRD)
    found = restored(SECRET, stored)
    found.resume(lost, 2)
    assert found.rooms == {ROOM: SentRoom(SENT.config, 10)}


def test_a_position_from_before_the_stored_answer_is_unknown() -> None:
    connection = Connection(SECRET)
    first = answered(connection, token(1, 1), ROOM)
    connection.resume(first, 2)
    connection.resume(answered(connection, token(2, 2), OTHER), 2)
    with pytest.raises(UnknownPos):
        again(connection).resume(first, 2)
