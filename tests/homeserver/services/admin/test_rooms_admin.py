"""Looking at the state of rooms, checking and mending it, as operators do over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from homeserver.api.admin.rooms import RoomsAdminApi
from homeserver.domain.identifiers import EventId
from homeserver.http.routes import Api
from homeserver.log.entries import EventEntry
from homeserver.ports.rooms.events import FOREVER
from homeserver.rooms.room_states import RoomStates
from homeserver.services.admin.room_check import RoomCheck
from homeserver.services.admin.room_inspection import RoomInspection
from homeserver.services.admin.room_rebuild import DUMMY_EVENT, RoomRebuild
from storage.rooms.room_figures import SqlRoomFigures
from storage.rooms.room_states import SqlRoomStateStore
from tests.http_requests import Response
from tests.rooms_fixture import SERVER, Person, RoomsServer, postgres_at, quoted, refused, sqlite_at

ROOT = "/_myelin/admin/v1/rooms"


async def at_once(work: Callable[..., Any], *args: object, **kwargs: object) -> Any:
    return work(*args, **kwargs)


class AdminServer(RoomsServer):
    """A server whose rooms can be looked after."""

    def further_apis(self) -> list[Api]:
        self.state_store = SqlRoomStateStore(self.log)
        states = RoomStates(self.state_store, self.events, at_once)
        figures = SqlRoomFigures(self.log)
        check = RoomCheck(self.directory, states, figures)
        return [
            RoomsAdminApi(
                RoomInspection(self.directory, states, figures),
                check,
                RoomRebuild(self.directory, check, SERVER),
                self.state_store,
            )
        ]

    async def ask(self, method: str, path: str, body: Any = None) -> Response:
        """A request of an administrator."""
        admin = self.person("admin", is_admin=True)
        return await self.client.request(method, ROOT + path, body, token=admin.token)

    async def get(self, path: str) -> Any:
        response = await self.ask("GET", path)
        assert response.status == 200, response.json
        return response.json

    async def check(self, room_id: str) -> Any:
        return await self.get(f"/{quoted(room_id)}/check")

    async def rebuild(self, room_id: str, *, apply: bool) -> Response:
        return await self.ask("POST", f"/{quoted(room_id)}/rebuild", {"apply": apply})

    async def forgets(self, room_id: str) -> None:
        """The room is read anew from the database."""
        self.directory.forget((await self.actor(room_id)).view.nid)


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AdminServer]:
    """A server on each database."""
    if request.param == "sqlite":
        made = AdminServer(sqlite_at(tmp_path / "admin.db"))
    else:
        made = AdminServer(postgres_at(request.getfixturevalue("postgres_dsn")))
    yield made
    await made.close()


async def a_room(server: AdminServer) -> tuple[Person, str, EventId, EventId]:
    """A room whose topic was set twice, and something was said since."""
    alice, bob = server.person("alice"), server.person("bob")
    room_id = await alice.creates_room(preset="public_chat")
    await bob.joins(room_id)
    old = await alice.sets(room_id, "m.room.topic", {"topic": "old"})
    new = await alice.sets(room_id, "m.room.topic", {"topic": "new"})
    await alice.sends(room_id, "hello")
    return alice, room_id, old, new


def corrupt_topic(server: AdminServer, old: EventId, new: EventId) -> None:
    """The row of the current topic names another event."""
    server.execute(
        "UPDATE state_intervals SET event_nid = (SELECT event_nid FROM events WHERE event_id = ?)"
        " WHERE event_nid = (SELECT event_nid FROM events WHERE event_id = ?)",
        old,
        new,
    )


# --- who may


@pytest.mark.parametrize("path", ["", "/check"])
async def test_only_administrators_may_look(server: AdminServer, path: str) -> None:
    alice, room_id, _, _ = await a_room(server)
    target = f"{ROOT}/{quoted(room_id)}{path}"
    assert refused(await server.client.request("GET", target, token=alice.token)) == (
        403,
        "M_FORBIDDEN",
    )
    assert refused(await server.client.request("GET", target)) == (401, "M_MISSING_TOKEN")


async def test_only_administrators_may_mend(server: AdminServer) -> None:
    alice, room_id, old, new = await a_room(server)
    corrupt_topic(server, old, new)
    target = f"{ROOT}/{quoted(room_id)}/rebuild"
    response = await server.client.request("POST", target, {"apply": True}, token=alice.token)
    assert refused(response) == (403, "M_FORBIDDEN")
    assert not (await server.check(room_id))["is_right"]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/check"), ("POST", "/rebuild")])
async def test_unknown_rooms_are_not_found(server: AdminServer, method: str, path: str) -> None:
    response = await server.ask(method, f"/{quoted('!nowhere:hs')}{path}")
    assert refused(response) == (404, "M_NOT_FOUND")
    assert refused(await server.ask(method, f"/nonsense{path}")) == (400, "M_INVALID_PARAM")


# --- inspecting


async def test_a_room_is_described(server: AdminServer) -> None:
    _, room_id, _, _ = await a_room(server)
    report = await server.get(f"/{quoted(room_id)}")
    timeline = await server.timeline(room_id)
    assert report["room_version"] == "12"
    assert [e["event_id"] for e in report["forward_extremities"]] == [timeline[-1].event.event_id]
    assert report["events"] == {
        "accepted": len(timeline),
        "outlier": 0,
        "rejected": 0,
        "soft_failed": 0,
    }
    assert report["gaps"] == []
    assert report["snapshots"] == 0
    assert report["state"]["types"]["m.room.member"] == 2
    assert report["state"]["types"]["m.room.topic"] == 1
    assert report["state"]["count"] == sum(report["state"]["types"].values())


async def test_the_state_before_an_event_and_its_auth_chain_are_shown(server: AdminServer) -> None:
    _, room_id, old, new = await a_room(server)
    report = await server.get(f"/{quoted(room_id)}?event={quoted(new)}")
    topics = [e for e in report["state_before"] if e["type"] == "m.room.topic"]
    assert [each["event_id"] for each in topics] == [old]
    assert report["standing"] == "accepted"
    chain = {each["event_id"] for each in report["auth_chain"]}
    assert set(report["auth_events"]) <= chain
    assert new not in chain
    assert "m.room.power_levels" in {each["type"] for each in report["auth_chain"]}


async def test_events_of_other_rooms_are_not_found(server: AdminServer) -> None:
    alice, room_id, _, _ = await a_room(server)
    elsewhere = await alice.sends(await alice.creates_room(), "hello")
    for event_id in (elsewhere, "$nonsense"):
        response = await server.ask("GET", f"/{quoted(room_id)}?event={quoted(event_id)}")
        assert refused(response) == (404, "M_NOT_FOUND")


# --- checking


async def test_a_sound_room_is_found_to_be_right(server: AdminServer) -> None:
    alice, room_id, _, _ = await a_room(server)
    await server.person("bob").leaves(room_id)
    await alice.redact(room_id, await alice.sends(room_id, "gone"))
    report = await server.check(room_id)
    assert report["is_right"], report
    assert report["refused_events"] == []
    assert report["events"] == len(await server.timeline(room_id))


async def test_a_sound_room_is_not_rebuilt(server: AdminServer) -> None:
    _, room_id, _, _ = await a_room(server)
    for apply in (False, True):
        assert refused(await server.rebuild(room_id, apply=apply)) == (409, "M_UNKNOWN")
    assert (await server.timeline(room_id))[-1].event.type == "m.room.message"


async def test_a_row_of_the_state_that_was_changed_is_found(server: AdminServer) -> None:
    _, room_id, old, new = await a_room(server)
    corrupt_topic(server, old, new)
    report = await server.check(room_id)
    assert report["state_differences"] == [
        {
            "type": "m.room.topic",
            "state_key": "",
            "replayed": new,
            "stored": old,
            "resolved": old,
            "in_memory": new,
        }
    ]
    assert report["membership_differences"] == []


async def test_a_membership_that_was_changed_is_found(server: AdminServer) -> None:
    _, room_id, _, _ = await a_room(server)
    server.execute("UPDATE memberships SET membership = 'ban' WHERE user_id = '@bob:hs'")
    await server.forgets(room_id)
    report = await server.check(room_id)
    (difference,) = report["membership_differences"]
    assert difference["user_id"] == "@bob:hs"
    assert difference["replayed"]["membership"] == "join"
    assert difference["table"]["membership"] == difference["in_memory"]["membership"] == "ban"
    assert report["state_differences"] == []


# --- mending


async def test_a_dry_run_changes_nothing(server: AdminServer) -> None:
    _, room_id, old, new = await a_room(server)
    corrupt_topic(server, old, new)
    before = len(await server.timeline(room_id))
    response = await server.rebuild(room_id, apply=False)
    assert response.status == 200
    assert response.json["event_id"] is None
    assert len(await server.timeline(room_id)) == before
    assert not (await server.check(room_id))["is_right"]


@pytest.mark.parametrize("is_loaded_anew", [False, True])
async def test_what_was_corrupted_is_mended(server: AdminServer, is_loaded_anew: bool) -> None:
    alice, room_id, old, new = await a_room(server)
    corrupt_topic(server, old, new)
    server.execute("UPDATE memberships SET membership = 'leave' WHERE user_id = '@bob:hs'")
    if is_loaded_anew:
        await server.forgets(room_id)
    response = await server.rebuild(room_id, apply=True)
    assert response.status == 200, response.json
    assert await server.content(room_id, "m.room.topic") == {"topic": "new"}
    assert (await server.check(room_id))["is_right"]
    assert await server.membership(room_id, server.person("bob")) == "join"
    mending = (await server.timeline(room_id))[-1]
    assert mending.event.event_id == response.json["event_id"]
    assert (mending.event.type, mending.event.sender) == (DUMMY_EVENT, alice.user_id)
    assert refused(await server.rebuild(room_id, apply=True)) == (409, "M_UNKNOWN")
    # It stays so with what follows, and the state at the event is the right one.
    await alice.sets(room_id, "m.room.name", {"name": "a room"})
    await server.person("bob").sends(room_id, "I am here")
    await server.forgets(room_id)
    assert (await server.check(room_id))["is_right"]
    report = await server.get(f"/{quoted(room_id)}?event={quoted(mending.event.event_id)}")
    topics = [e["event_id"] for e in report["state_before"] if e["type"] == "m.room.topic"]
    assert topics == [new]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE memberships SET membership = 'leave'",
        "DELETE FROM memberships",
        "DELETE FROM state_intervals WHERE type = 'm.room.member'",
        "DELETE FROM state_intervals WHERE type = 'm.room.power_levels'",
        "DELETE FROM state_intervals WHERE type = 'm.room.create'",
        "DELETE FROM state_intervals",
    ],
)
async def test_who_is_in_the_room_and_may_do_what_is_mended(
    server: AdminServer, damage: str
) -> None:
    alice, room_id, _, _ = await a_room(server)
    server.execute(damage)
    await server.forgets(room_id)
    assert not (await server.check(room_id))["is_right"]
    response = await server.rebuild(room_id, apply=True)
    assert response.status == 200, response.json
    assert (await server.check(room_id))["is_right"]
    await server.person("bob").sends(room_id, "I am here")
    await alice.sets(room_id, "m.room.topic", {"topic": "newest"})
    assert (await server.check(room_id))["is_right"]


async def test_places_that_were_lost_come_back_and_those_made_up_go(server: AdminServer) -> None:
    _, room_id, old, _ = await a_room(server)
    nid = (await server.actor(room_id)).view.nid
    server.execute("DELETE FROM state_intervals WHERE type = 'm.room.join_rules'")
    server.execute(
        "INSERT INTO state_intervals"
        " (room_nid, type, state_key, event_nid, from_position, to_position)"
        " SELECT ?, 'm.room.topic', 'made up', event_nid, position, ? FROM events"
        " WHERE event_id = ?",
        nid,
        FOREVER,
        old,
    )
    await server.forgets(room_id)
    response = await server.rebuild(room_id, apply=True)
    assert response.status == 200, response.json
    keys = {(e["type"], e["state_key"]) for e in response.json["state_differences"]}
    assert ("m.room.join_rules", "") in keys
    assert ("m.room.topic", "made up") in keys
    assert (await server.check(room_id))["is_right"]
    view = (await server.actor(room_id)).view
    assert view.content("m.room.join_rules") == {"join_rule": "public"}
    assert ("m.room.topic", "made up") not in view.state


async def test_a_mended_room_is_handed_out_as_resolved(server: AdminServer) -> None:
    _, room_id, old, new = await a_room(server)
    corrupt_topic(server, old, new)
    response = await server.rebuild(room_id, apply=True)
    entries = [each for each in server.entries if isinstance(each, EventEntry)]
    append = entries[-1].append
    assert append.stored.event.event_id == response.json["event_id"]
    assert [change.key for change in append.resolved] == [("m.room.topic", "")]
    assert (await server.actor(room_id)).view.resolved_position == append.stored.position


async def test_a_room_without_users_of_this_server_is_not_mended(server: AdminServer) -> None:
    alice, room_id, old, new = await a_room(server)
    await server.person("bob").leaves(room_id)
    await alice.leaves(room_id)
    corrupt_topic(server, old, new)
    assert refused(await server.rebuild(room_id, apply=True)) == (403, "M_FORBIDDEN")
    assert (await server.rebuild(room_id, apply=False)).status == 200


async def test_where_nobody_may_write_nothing_is_mended(server: AdminServer) -> None:
    alice, bob = server.person("alice"), server.person("bob")
    room_id = await alice.creates_room(preset="public_chat", room_version="11")
    await bob.joins(room_id)
    old = await alice.sets(room_id, "m.room.topic", {"topic": "old"})
    new = await alice.sets(room_id, "m.room.topic", {"topic": "new"})
    levels = {"users": {alice.user_id: 100}, "events_default": 50}
    await alice.sets(room_id, "m.room.power_levels", levels)
    await alice.leaves(room_id)
    corrupt_topic(server, old, new)
    before = len(await server.timeline(room_id))
    assert refused(await server.rebuild(room_id, apply=True)) == (403, "M_FORBIDDEN")
    assert len(await server.timeline(room_id)) == before
    await bob.leaves(room_id)
    assert [e["replayed"] for e in (await server.check(room_id))["state_differences"]] == [new]


async def test_a_room_that_was_only_heard_of_is_not_found(server: AdminServer) -> None:
    server.execute(
        "INSERT INTO rooms (room_nid, room_id, version, shard, published, created_ts)"
        " VALUES (1, '!heard:elsewhere', '11', 0, FALSE, 0)"
    )
    for path in ("", "/check"):
        response = await server.ask("GET", f"/{quoted('!heard:elsewhere')}{path}")
        assert refused(response) == (404, "M_NOT_FOUND")
