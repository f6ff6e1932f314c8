"""Relations between events, on both engines."""

from __future__ import annotations

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import EventId
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.relations import Onlooker
from homeserver.ports.rooms.rooms import Order
from storage.rooms.relations import SqlRelationStore
from tests.homeserver.domain.event_factory import ALICE, BOB, CAROL
from tests.storage.rooms.room_rows import RoomRows


def relates(rel_type: str, target: StoredEvent, **more: str) -> JsonObject:
    return {"rel_type": rel_type, "event_id": target.event.event_id, **more}


async def a_room(transactions: Transactions, clock: list[int] | None = None) -> RoomRows:
    room = RoomRows(transactions, clock)
    await room.begins()
    return room


async def test_what_is_bundled_with_events(transactions: Transactions) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    one, two = await room.says(ALICE), await room.says(BOB)
    edits = [await room.says(ALICE, relates_to=relates("m.replace", one)) for _ in range(2)]
    reference = await room.says(BOB, relates_to=relates("m.reference", one))
    await room.says(BOB, relates_to=relates("m.annotation", one, key="👍"))
    thread = [await room.says(u, relates_to=relates("m.thread", two)) for u in (ALICE, BOB, BOB)]
    wanted = [one.event.event_id, two.event.event_id]
    related = await store.bundled(wanted, Onlooker(ALICE))
    assert [(t, e.event) for t, e in related.edits] == [(wanted[0], e.event) for e in edits]
    assert related.references == [(room.nid, wanted[0], reference.event.event_id)]
    (summary,) = related.threads
    assert (summary.room_nid, summary.root, summary.count) == (room.nid, wanted[1], 3)
    assert (summary.latest_nid, summary.participated) == (thread[2].nid, True)
    (summary,) = (await store.bundled(wanted, Onlooker(CAROL))).threads
    assert summary.participated is False


async def test_who_is_ignored_and_what_came_too_late_is_not_bundled(
    transactions: Transactions,
) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    root = await room.says(ALICE)
    seen = await room.says(ALICE, relates_to=relates("m.thread", root))
    await room.says(BOB, relates_to=relates("m.thread", root))
    await room.says(BOB, relates_to=relates("m.reference", root))
    wanted = [root.event.event_id]
    for onlooker in (Onlooker(CAROL, frozenset({BOB})), Onlooker(CAROL, until=seen.position)):
        related = await store.bundled(wanted, onlooker)
        assert [(t.count, t.latest_nid) for t in related.threads] == [(1, seen.nid)]
        assert related.references == []


async def test_a_redacted_event_relates_to_nothing(transactions: Transactions) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    target = await room.says(ALICE)
    edit = await room.says(ALICE, relates_to=relates("m.replace", target))
    await room.redacts(edit)
    assert (await store.bundled([target.event.event_id], Onlooker(ALICE))).edits == []


async def related(
    store: SqlRelationStore,
    room: RoomRows,
    target: StoredEvent,
    *,
    rel_type: str | None = None,
    event_type: str | None = None,
    after: Order | None = None,
    until: Order | None = None,
    backwards: bool = True,
    limit: int = 10,
    depth: int = 1,
) -> list[tuple[int, int]]:
    return await store.related(
        room.nid,
        target.event.event_id,
        rel_type=rel_type,
        event_type=event_type,
        after=after,
        until=until,
        backwards=backwards,
        limit=limit,
        recurse_depth=depth,
    )


async def test_related_events_are_found_by_kind_place_and_direction(
    transactions: Transactions,
) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    target = await room.says(ALICE)
    reply = await room.says(BOB, relates_to=relates("m.thread", target))
    like = await room.says(
        BOB, type="m.reaction", relates_to=relates("m.annotation", target, key="👍")
    )
    edit = await room.says(ALICE, relates_to=relates("m.replace", target))
    everything = [(edit.nid, 1), (like.nid, 1), (reply.nid, 1)]
    assert await related(store, room, target) == everything
    assert await related(store, room, target, backwards=False) == everything[::-1]
    assert await related(store, room, target, limit=2) == everything[:2]
    assert await related(store, room, target, rel_type="m.thread") == [(reply.nid, 1)]
    assert await related(store, room, target, event_type="m.reaction") == [(like.nid, 1)]
    assert await related(store, room, target, until=like.order) == everything[1:]
    assert await related(store, room, target, after=reply.order) == everything[:2]
    assert await related(store, room, reply) == []


async def test_relations_of_relations_are_followed_as_deep_as_asked(
    transactions: Transactions,
) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    target = await room.says(ALICE)
    chain = [target]
    for _ in range(4):
        chain.append(await room.says(BOB, relates_to=relates("m.reference", chain[-1])))
    found = await related(store, room, target, depth=3, backwards=False)
    assert found == [(event.nid, depth) for depth, event in enumerate(chain) if 1 <= depth <= 3]


async def test_relations_from_other_rooms_are_not_found(transactions: Transactions) -> None:
    store, clock = SqlRelationStore(transactions), [0]
    here, there = await a_room(transactions, clock), await a_room(transactions, clock)
    target = await here.says(ALICE)
    other = await there.says(ALICE, relates_to=relates("m.thread", target))
    await there.says(ALICE, relates_to=relates("m.reference", other))
    assert await related(store, here, target, depth=3) == []
    summaries = (await store.bundled([target.event.event_id], Onlooker(ALICE))).threads
    assert [s.room_nid for s in summaries] == [there.nid]


async def test_events_to_which_others_relate(transactions: Transactions) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    one, two, three = [await room.says(ALICE) for _ in range(3)]
    await room.says(BOB, relates_to=relates("m.thread", one))
    await room.says(CAROL, relates_to=relates("m.annotation", two, key="👍"))

    async def having(rel_types: list[str] | None, senders: list[str] | None) -> set[EventId]:
        wanted = [e.event.event_id for e in (one, two, three)]
        found = await store.having_related(room.nid, wanted, rel_types=rel_types, senders=senders)
        return set(found)

    assert await having(None, None) == {one.event.event_id, two.event.event_id}
    assert await having(["m.thread"], None) == {one.event.event_id}
    assert await having(None, [CAROL]) == {two.event.event_id}
    assert await having(["m.thread"], [CAROL]) == set()
    assert await having([], None) == set()


async def test_threads_are_listed_by_their_newest_event(transactions: Transactions) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    one, two, three = await room.says(ALICE), await room.says(BOB), await room.says(BOB)
    places = {}
    for root, user in ((one, BOB), (two, ALICE), (three, BOB), (one, BOB)):
        event = await room.says(user, relates_to=relates("m.thread", root))
        places[root.event.event_id] = event.position
    newest = [(r.event.event_id, places[r.event.event_id]) for r in (one, three, two)]
    found = await store.threads(room.nid, participated_by=None, before=None, limit=10)
    assert found == newest
    found = await store.threads(room.nid, participated_by=None, before=None, limit=2)
    assert found == newest[:2]
    found = await store.threads(room.nid, participated_by=None, before=newest[0][1], limit=10)
    assert found == newest[1:]
    # Alice began the first and spoke in the second.
    found = await store.threads(room.nid, participated_by=ALICE, before=None, limit=10)
    assert found == [newest[0], newest[2]]
    found = await store.threads(room.nid, participated_by=CAROL, before=None, limit=10)
    assert found == []


async def test_an_annotation_is_known_by_who_what_and_how(transactions: Transactions) -> None:
    store, room = SqlRelationStore(transactions), await a_room(transactions)
    target = await room.says(ALICE)
    await room.says(BOB, type="m.reaction", relates_to=relates("m.annotation", target, key="👍"))
    event_id = target.event.event_id
    assert await store.has_annotation(event_id, BOB, "m.reaction", "👍")
    assert not await store.has_annotation(event_id, BOB, "m.reaction", "👎")
    assert not await store.has_annotation(event_id, ALICE, "m.reaction", "👍")
    assert not await store.has_annotation(event_id, BOB, "m.room.message", "👍")
