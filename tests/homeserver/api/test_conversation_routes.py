"""The operations that change and list rooms: where they are, for whom, and how often."""

from __future__ import annotations

import pytest

from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.routes import Access, RateClass, Route
from tests.http_requests import TestClient
from tests.rooms_fixture import RoomsServer, refused

CLIENT = "/_matrix/client"
OPERATIONS = [
    ("POST", "v3/createRoom"),
    ("POST", "v3/rooms/{roomId}/join"),
    ("POST", "v3/join/{roomIdOrAlias}"),
    ("POST", "v3/knock/{roomIdOrAlias}"),
    ("POST", "v3/rooms/{roomId}/leave"),
    ("POST", "v3/rooms/{roomId}/forget"),
    ("POST", "v3/rooms/{roomId}/invite"),
    ("POST", "v3/rooms/{roomId}/kick"),
    ("POST", "v3/rooms/{roomId}/ban"),
    ("POST", "v3/rooms/{roomId}/unban"),
    ("GET", "v3/joined_rooms"),
    ("GET", "v3/rooms/{roomId}/joined_members"),
    ("GET", "v1/mutual_rooms"),
    ("PUT", "v3/rooms/{roomId}/send/{eventType}/{txnId}"),
    ("PUT", "v3/rooms/{roomId}/redact/{eventId}/{txnId}"),
    ("GET", "v3/rooms/{roomId}/state"),
    ("GET", "v3/rooms/{roomId}/state/{eventType}/{stateKey}"),
    ("PUT", "v3/rooms/{roomId}/state/{eventType}/{stateKey}"),
    ("POST", "v3/rooms/{roomId}/upgrade"),
    ("GET", "v3/directory/room/{roomAlias}"),
    ("PUT", "v3/directory/room/{roomAlias}"),
    ("DELETE", "v3/directory/room/{roomAlias}"),
    ("GET", "v3/rooms/{roomId}/aliases"),
    ("GET", "v3/directory/list/room/{roomId}"),
    ("PUT", "v3/directory/list/room/{roomId}"),
    ("GET", "v3/publicRooms"),
    ("POST", "v3/publicRooms"),
    ("GET", "v1/rooms/{roomId}/hierarchy"),
    ("GET", "v1/room_summary/{roomIdOrAlias}"),
    ("POST", "v3/rooms/{roomId}/report"),
    ("POST", "v3/rooms/{roomId}/report/{eventId}"),
    ("POST", "v3/users/{userId}/report"),
]


def route_of(rooms: RoomsServer, method: str, path: str) -> Route:
    return rooms.client.dispatcher.router.find(method, f"{CLIENT}/{path}")[0]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_every_operation_is_routed_also_under_its_older_name(
    rooms: RoomsServer, method: str, path: str
) -> None:
    assert route_of(rooms, method, path).section
    if path.startswith("v3/"):
        assert route_of(rooms, method, "r0" + path[2:]) is route_of(rooms, method, path)


# "Guest Access", with the directory and spaces, which name no restriction.
FOR_GUESTS = {
    "v3/rooms/{roomId}/join",
    "v3/join/{roomIdOrAlias}",
    "v3/rooms/{roomId}/leave",
    "v3/rooms/{roomId}/send/{eventType}/{txnId}",
    "v3/rooms/{roomId}/state",
    "v3/rooms/{roomId}/state/{eventType}/{stateKey}",
    "v1/rooms/{roomId}/hierarchy",
    "v3/publicRooms",
    "v1/room_summary/{roomIdOrAlias}",
}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_guests_do_what_the_specification_lets_them(
    rooms: RoomsServer, method: str, path: str
) -> None:
    access = route_of(rooms, method, path).access

    if access is not Access.PUBLIC:
        assert (access is not Access.USER) == (path in FOR_GUESTS)


@pytest.mark.parametrize(
    ("method", "path", "rate"),
    [
        ("POST", "v3/createRoom", RateClass.ROOM_CREATION),
        ("POST", "v3/rooms/{roomId}/upgrade", RateClass.ROOM_CREATION),
        ("POST", "v3/join/{roomIdOrAlias}", RateClass.JOIN),
        ("POST", "v3/knock/{roomIdOrAlias}", RateClass.JOIN),
        ("POST", "v3/rooms/{roomId}/invite", RateClass.INVITE),
        ("PUT", "v3/rooms/{roomId}/send/{eventType}/{txnId}", RateClass.MESSAGE),
        ("PUT", "v3/rooms/{roomId}/state/{eventType}/{stateKey}", RateClass.MESSAGE),
        ("GET", "v3/publicRooms", RateClass.SEARCH),
        ("GET", "v1/rooms/{roomId}/hierarchy", RateClass.SEARCH),
    ],
)
async def test_kinds_of_action_have_budgets_of_their_own(
    rooms: RoomsServer, method: str, path: str, rate: RateClass
) -> None:
    assert route_of(rooms, method, path).rate is rate


async def test_who_sends_too_much_is_told_to_wait(rooms: RoomsServer) -> None:
    alice = rooms.person("alice")
    room_id = await alice.creates_room()
    limiter = RateLimiter({RateClass.MESSAGE: Rate(1, 2)}, rooms.clock.monotonic)
    router = rooms.client.dispatcher.router
    rooms.client = TestClient([_Routes(router.routes)], rooms.tokens, limiter, rooms.clock)

    answers = [await alice.send(room_id, {}) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert refused(answers[2]) == (429, "M_LIMIT_EXCEEDED")
    rooms.clock.advance(1)
    assert (await alice.send(room_id, {})).status == 200


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_without_a_token_only_what_is_public_answers(
    rooms: RoomsServer, method: str, path: str
) -> None:
    public = {"v3/directory/room/{roomAlias}", "v3/directory/list/room/{roomId}"}
    optional = {"v3/publicRooms", "v1/room_summary/{roomIdOrAlias}"}

    response = await rooms.client.request(method, f"{CLIENT}/{path}", {})

    if method == "GET" and path in public | optional:
        assert response.status != 401
    else:
        assert refused(response) == (401, "M_MISSING_TOKEN")


class _Routes:
    """Some routes as an area of the API."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = routes

    def routes(self) -> list[Route]:
        return self._routes
