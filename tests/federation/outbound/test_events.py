"""Whom events are sent to, in which order, and what becomes of those that do not arrive."""

from __future__ import annotations

from federation.outbound.courier import Outcome
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName, UserId
from homeserver.ports.rooms.events import StateAt
from homeserver.rooms.actor import NewEvent, RemoteEvent
from tests.federation.outbound.sending_server import (
    ALICE,
    BOB,
    THERE,
    SendingServer,
    user_at,
)
from tests.rooms_fixture import SERVER, OpenEngine

ELSEWHERE = ServerName("elsewhere.example")
CAROL = user_at(ELSEWHERE, "carol")


async def test_what_is_said_goes_to_every_other_server_in_the_room(server: SendingServer) -> None:
    room = await server.room(BOB, CAROL)
    await server.says(room, "hello")
    await server.passes()
    assert server.network.bodies(THERE) == ["hello"]
    assert server.network.bodies(ELSEWHERE) == ["hello"]
    assert {sent.destination for sent in server.network.sent} == {THERE, ELSEWHERE}
    assert [server.network.to(THERE)[-1].content[key] for key in ("origin",)] == [SERVER]


async def test_nothing_leaves_a_room_without_other_servers(server: SendingServer) -> None:
    room = await server.room(user_at(SERVER, "dora"))
    await server.says(room, "hello")
    await server.passes(3)
    assert server.network.attempts == []
    assert len(server.destinations) == 0


async def test_events_of_other_servers_users_are_theirs_to_send(server: SendingServer) -> None:
    room = await server.room(BOB, CAROL)
    await server.says(room, "mine", BOB)
    await server.passes()
    assert server.network.bodies(ELSEWHERE) == []


async def test_an_event_that_is_relayed_goes_to_all_but_its_senders_server(
    server: SendingServer,
) -> None:
    room = await server.room(CAROL)
    new = NewEvent("m.room.member", BOB, {"membership": "join"}, BOB)
    await room.prepare([new])
    stored, committed = room.append_now(new)
    await server.relays.relay(stored.event.event_id)
    await committed
    await server.passes()
    assert [pdu["sender"] for pdu in server.network.pdus(ELSEWHERE)] == [BOB]
    assert server.network.pdus(THERE) == []


async def test_a_relayed_event_reaches_who_was_away(engine: OpenEngine) -> None:
    server = await SendingServer(engine).start()
    room = await server.room(CAROL)
    server.network.down.add(ELSEWHERE)
    new = NewEvent("m.room.member", BOB, {"membership": "join"}, BOB)
    await room.prepare([new])
    stored, committed = room.append_now(new)
    await server.relays.relay(stored.event.event_id)
    await committed
    await server.passes(3)
    await server.stops()
    restarted = await SendingServer(engine).start()
    await restarted.passes(60)
    assert [pdu["sender"] for pdu in restarted.network.pdus(ELSEWHERE)] == [BOB]
    await restarted.close()


async def test_what_was_stored_without_anybody_knowing_is_sent(server: SendingServer) -> None:
    room = await server.room(BOB)
    await server.says(room, "one")
    await server.passes(2)
    # As when the connection to the database breaks during a commit that takes place.
    routed = server.destinations.passed[room.view.shard]
    await server.says(room, "lost")
    server.destinations.passed[room.view.shard] = routed
    destination = server.destinations.get(THERE)
    assert destination is not None
    destination.queue.clear()
    await server.says(room, "two")
    await server.passes(2)
    assert server.network.bodies(THERE)[:1] == ["one"]
    assert set(server.network.bodies(THERE)) == {"one", "lost", "two"}


async def test_an_event_that_others_send_is_withheld(server: SendingServer) -> None:
    room = await server.room(BOB)
    new = NewEvent("m.room.message", ALICE, {"msgtype": "m.text", "body": "by others"})
    stored, committed = room.append_now(new)
    server.relays.withhold(stored.event.event_id)
    await committed
    await server.passes()
    assert server.network.bodies(THERE) == []


async def test_a_server_that_leaves_is_sent_nothing_after_that(server: SendingServer) -> None:
    room = await server.room(BOB, CAROL)
    await server.member(room, BOB, "leave", ALICE)
    await server.says(room, "among us")
    await server.passes()
    assert [pdu["type"] for pdu in server.network.pdus(THERE)] == ["m.room.member"]
    assert server.network.bodies(ELSEWHERE) == ["among us"]


async def test_within_one_batch_every_event_goes_to_who_was_there_then(
    server: SendingServer,
) -> None:
    room = await server.room(BOB, CAROL)
    kick = NewEvent("m.room.member", ALICE, {"membership": "leave"}, BOB)
    before = NewEvent("m.room.message", ALICE, {"msgtype": "m.text", "body": "before"})
    after = NewEvent("m.room.message", ALICE, {"msgtype": "m.text", "body": "after"})
    await room.prepare([before, kick, after])
    for committed in [room.append_now(new)[1] for new in (before, kick, after)]:
        await committed
    await server.passes()
    assert [pdu["type"] for pdu in server.network.pdus(THERE)] == [
        "m.room.message",
        "m.room.member",
    ]
    assert server.network.bodies(ELSEWHERE) == ["before", "after"]


async def test_a_server_whose_invite_is_taken_back_learns_of_it(server: SendingServer) -> None:
    room = await server.room()
    await server.member(room, BOB, "invite", ALICE)
    await server.passes()
    assert server.network.pdus(THERE) == [], "invites go their own way"
    await server.member(room, BOB, "leave", ALICE)
    await server.passes()
    assert [pdu["content"]["membership"] for pdu in server.network.pdus(THERE)] == ["leave"]


async def test_while_a_transaction_is_on_its_way_events_gather_for_the_next(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    server.network.slow[THERE] = []
    await server.says(room, "first")
    await server.passes()
    await server.says_many(room, 120)
    await server.passes()
    server.network.release(THERE)
    await server.passes()
    assert server.network.bodies(THERE) == ["first", *map(str, range(120))]
    assert [len(sent.content["pdus"]) for sent in server.network.to(THERE)] == [1, 50, 50, 20]


async def test_a_server_that_was_away_gets_everything_in_order(server: SendingServer) -> None:
    room = await server.room(BOB)
    server.network.down.add(THERE)
    for number in range(70):
        await server.says(room, str(number))
    await server.passes(20)
    destination = server.destinations.get(THERE)
    assert destination is not None
    assert not destination.queue
    server.network.down.clear()
    await server.passes(60)
    assert server.network.bodies(THERE) == [str(number) for number in range(70)]
    await server.says(room, "live again")
    await server.passes()
    assert server.network.bodies(THERE)[-1] == "live again"
    await server.passes(2)
    assert server.destinations.get(THERE) is None
    assert [row[0] for row in server.rows("SELECT destination FROM federation_cursors")] == [""]


async def test_a_sign_of_life_ends_the_pause(server: SendingServer) -> None:
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says(room, "hello")
    await server.passes(400)
    server.network.down.clear()
    attempts = len(server.network.attempts)
    server.health.note_inbound(THERE)
    await server.passes()
    assert len(server.network.attempts) == attempts + 1
    assert server.network.bodies(THERE) == ["hello"]


async def test_what_is_sent_again_after_a_lost_answer_is_the_same_transaction(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    server.network.losing_answers.add(THERE)
    await server.says(room, "hello")
    await server.passes()
    server.network.losing_answers.clear()
    await server.passes(2)
    first, second = server.network.to(THERE)
    assert first.txn_id == second.txn_id
    assert first.content["pdus"] == second.content["pdus"]
    await server.says(room, "other")
    await server.passes()
    assert server.network.to(THERE)[-1].txn_id != first.txn_id


async def test_after_a_crash_nothing_is_missing(engine: OpenEngine) -> None:
    server = await SendingServer(engine).start()
    room = await server.room(BOB, CAROL)
    await server.says(room, "before")
    await server.passes(2)
    server.network.slow[THERE] = []
    await server.says(room, "on its way")
    await server.passes()
    await server.says(room, "waiting")
    # No cursor is saved any more.
    await server.close()
    restarted = await SendingServer(engine).start()
    await restarted.passes(5)
    assert restarted.network.bodies(THERE) == ["on its way", "waiting"]
    await restarted.close()


async def test_after_a_stop_nothing_is_sent_again(engine: OpenEngine) -> None:
    server = await SendingServer(engine).start()
    room = await server.room(BOB)
    await server.says(room, "hello")
    await server.passes()
    await server.stops()
    restarted = await SendingServer(engine).start()
    await restarted.passes(5)
    assert restarted.network.sent == []
    await restarted.close()


async def test_a_server_that_is_away_over_a_restart_is_caught_up(engine: OpenEngine) -> None:
    server = await SendingServer(engine).start()
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says(room, "missed")
    await server.passes(10)
    await server.stops()
    restarted = await SendingServer(engine).start()
    await restarted.passes(60)
    assert restarted.network.bodies(THERE) == ["missed"]
    await restarted.close()


async def test_a_server_that_left_while_it_was_away_is_sent_what_was_due(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says(room, "missed")
    await server.passes()
    await server.member(room, BOB, "leave", ALICE)
    await server.says(room, "among us")
    server.network.down.clear()
    await server.passes(60)
    assert server.network.bodies(THERE) == ["missed"]
    assert [pdu["type"] for pdu in server.network.pdus(THERE)][-1] == "m.room.member"
    await server.passes(2)
    assert len(server.destinations) == 0


async def test_a_server_that_came_while_another_was_away_does_not_get_what_was_before(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    await server.says(room, "before")
    server.network.down.add(ELSEWHERE)
    await server.member(room, CAROL, "join")
    await server.says(room, "after")
    await server.passes(10)
    server.network.down.clear()
    await server.passes(60)
    assert server.network.bodies(ELSEWHERE) == ["after"]


async def test_one_that_missed_ten_thousand_events_is_caught_up_in_bounded_memory(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says(room, "first")
    await server.passes()
    for _ in range(10):
        await server.says_many(room, 1000)
        destination = server.destinations.get(THERE)
        assert destination is not None
        assert len(destination.queue) == 0
    server.network.down.clear()
    await server.passes(60)
    pdus = server.network.pdus(THERE)
    # It is far behind: the newest event leads to all others.
    assert [pdu["content"]["body"] for pdu in pdus] == ["999"]


async def test_many_missed_events_are_read_part_by_part(engine: OpenEngine) -> None:
    server = await SendingServer(engine, most_missed=10_000).start()
    room = await server.room(BOB)
    server.network.down.add(THERE)
    await server.says_many(room, 2500)
    await server.passes()
    server.network.down.clear()
    longest = 0
    for _ in range(120):
        await server.passes(0.5)
        destination = server.destinations.get(THERE)
        longest = max(longest, len(destination.queue) if destination is not None else 0)
    assert server.network.bodies(THERE) == [str(number) for number in range(2500)]
    assert longest <= 1000
    await server.close()


async def test_one_far_behind_gets_the_newest_event_of_each_room(engine: OpenEngine) -> None:
    server = await SendingServer(engine, most_missed=20).start()
    rooms = [await server.room(BOB) for _ in range(3)]
    server.network.down.add(THERE)
    for room in rooms:
        await server.says_many(room, 15)
    await server.passes()
    server.network.down.clear()
    await server.passes(60)
    assert server.network.bodies(THERE) == ["14"] * 3
    assert {pdu["room_id"] for pdu in server.network.pdus(THERE)} == {
        room.view.room_id for room in rooms
    }
    await server.close()


async def test_a_queue_that_grows_too_long_is_left_to_the_database(server: SendingServer) -> None:
    room = await server.room(BOB)
    server.network.slow[THERE] = []
    await server.says(room, "first")
    await server.passes()
    await server.says_many(room, 1500)
    destination = server.destinations.get(THERE)
    assert destination is not None
    assert destination.is_behind
    assert len(destination.queue) <= 1000
    server.network.release(THERE)
    await server.passes(5)
    assert server.network.bodies(THERE) == ["first", *map(str, range(1500))]


async def test_a_slow_server_does_not_hold_up_the_others(server: SendingServer) -> None:
    room = await server.room(BOB, CAROL)
    server.network.slow[THERE] = []
    for number in range(5):
        await server.says(room, str(number))
        await server.passes()
    assert server.network.bodies(ELSEWHERE) == ["0", "1", "2", "3", "4"]
    assert server.network.bodies(THERE) == []


async def test_two_hundred_servers_get_what_is_said_and_share_it(engine: OpenEngine) -> None:
    server = await SendingServer(engine, at_once=20).start()
    names = [ServerName(f"s{number}.example") for number in range(200)]
    room = await server.room(*map(user_at, names))
    server.network.slow = {name: [] for name in names}
    await server.says(room, "one")
    await server.passes()
    assert server.network.most_under_way == 20
    await server.says(room, "two")
    queued = {
        id(due.stored)  # type: ignore[union-attr]
        for destination in server.destinations
        for due in destination.queue
    }
    assert len(queued) <= 2
    for name in names:
        if server.network.slow.get(name) is not None:
            server.network.release(name)
    await server.passes(2)
    for name in names:
        if name in server.network.slow:
            server.network.release(name)
    await server.passes(2)
    assert all(server.network.bodies(name) == ["one", "two"] for name in names)
    assert len(server.destinations) == 0
    await server.close()


async def test_servers_that_the_configuration_forbids_are_not_sent_anything(
    engine: OpenEngine,
) -> None:
    server = await SendingServer(engine, peers=FederationPeers(None, [THERE])).start()
    room = await server.room(BOB, CAROL)
    await server.says(room, "hello")
    await server.passes(3)
    assert {sent.destination for sent in server.network.sent} == {ELSEWHERE}
    await server.close()


async def test_a_server_that_refuses_is_left_alone_and_tried_with_less(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    server.network.refusing[THERE] = 413
    await server.says_many(room, 60)
    await server.passes(25)
    assert 1 < len(server.network.attempts) < 6
    server.network.refusing.clear()
    await server.passes(120)
    assert server.network.bodies(THERE) == [str(number) for number in range(60)]
    assert len(server.network.to(THERE)[0].content["pdus"]) < 50


async def test_a_server_that_may_not_be_reached_is_left_alone_for_long(
    server: SendingServer,
) -> None:
    room = await server.room(BOB)
    server.network.denied.add(THERE)
    await server.says(room, "hello")
    await server.passes(100)
    assert server.outcomes == [Outcome.DENIED]
    server.network.denied.clear()
    server.clock.advance(3600)
    await server.passes()
    assert server.network.bodies(THERE) == ["hello"]


async def test_users_of_one_server_count_once(server: SendingServer) -> None:
    users = [UserId(f"@user{number}:{THERE}") for number in range(5)]
    room = await server.room(*users)
    await server.member(room, users[0], "leave")
    await server.says(room, "hello")
    await server.passes()
    assert server.network.bodies(THERE) == ["hello"]


async def test_a_server_that_comes_in_is_sent_what_its_join_does_not_follow(
    server: SendingServer,
) -> None:
    room = await server.room(CAROL)
    before = {head.nid for head in room.heads}
    join = room.propose(NewEvent("m.room.member", BOB, {"membership": "join"}, BOB))
    await server.says(room, "while the join was made")
    heads = frozenset(head.nid for head in room.heads)
    state = StateAt(room.view.position - 1)
    remote = RemoteEvent(join, heads=heads, prevs=frozenset(before), before=state)
    _, committed = room.append_remote(remote)
    await committed
    await server.passes()
    assert server.network.bodies(THERE) == ["while the join was made"]
