"""From a method and a path to a route."""

from __future__ import annotations

import pytest

from homeserver.domain.errors import InvalidParam, MethodNotAllowed, Unrecognized
from homeserver.http.answers import EMPTY, Answer
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Route, route


async def nothing(request: Request) -> Answer:
    return EMPTY


def at(path: str, method: str = "GET") -> Route:
    return route(method, (path,), nothing, section=path)


def found(router: Router, method: str, path: str) -> tuple[str, dict[str, str]]:
    """The section of the route, which is its template here, and the parameters."""
    route, parameters = router.find(method, path)
    return route.section, parameters


def test_a_parameter_takes_one_segment() -> None:
    router = Router([at("/rooms/{roomId}/members/{userId}")])
    assert found(router, "GET", "/rooms/!a:b/members/@c:d") == (
        "/rooms/{roomId}/members/{userId}",
        {"roomId": "!a:b", "userId": "@c:d"},
    )


def test_every_path_of_a_route_leads_to_it() -> None:
    both = route("GET", ("/v3/sync", "/r0/sync"), nothing, section="sync")
    router = Router([both])
    assert router.find("GET", "/v3/sync") == (both, {})
    assert router.find("GET", "/r0/sync") == (both, {})


def test_a_literal_segment_wins_over_a_parameter() -> None:
    router = Router([at("/profile/{userId}/{keyName}"), at("/profile/{userId}/displayname")])
    assert found(router, "GET", "/profile/@a:b/displayname")[0] == "/profile/{userId}/displayname"
    assert found(router, "GET", "/profile/@a:b/m.tz")[0] == "/profile/{userId}/{keyName}"


def test_where_the_literal_leads_nowhere_the_parameter_is_tried() -> None:
    router = Router([at("/rooms/public/list"), at("/rooms/{roomId}/state")])
    assert found(router, "GET", "/rooms/public/state") == (
        "/rooms/{roomId}/state",
        {"roomId": "public"},
    )


def test_where_the_literal_has_not_the_method_the_parameter_is_tried() -> None:
    router = Router([at("/devices/own"), at("/devices/{deviceId}", "DELETE")])
    assert found(router, "DELETE", "/devices/own")[1] == {"deviceId": "own"}
    assert found(router, "GET", "/devices/own")[0] == "/devices/own"


@pytest.mark.parametrize(
    ("segment", "value"),
    [
        ("%21a%3Ab", "!a:b"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%E4%BD%A0", "你"),
        ("a+b", "a+b"),
        ("", ""),
        ("100%", "100%"),
    ],
)
def test_parameters_are_percent_decoded(segment: str, value: str) -> None:
    router = Router([at("/rooms/{roomId}/state")])
    assert found(router, "GET", f"/rooms/{segment}/state")[1] == {"roomId": value}


@pytest.mark.parametrize("segment", ["%FF", "%ED%A0%80", "%C3%28"])
def test_a_parameter_that_is_not_utf_8_is_refused(segment: str) -> None:
    with pytest.raises(InvalidParam):
        Router([at("/rooms/{roomId}")]).find("GET", f"/rooms/{segment}")


def test_a_last_parameter_may_take_the_rest_of_the_path() -> None:
    router = Router([at("/content/{*path}"), at("/content/index")])
    assert found(router, "GET", "/content/a/b%2Fc/")[1] == {"path": "a/b/c/"}
    assert found(router, "GET", "/content/index")[0] == "/content/index"
    assert found(router, "GET", "/content/")[1] == {"path": ""}


@pytest.mark.parametrize(
    "path", ["/", "", "/rooms", "/rooms/a/b", "/rooms/a/", "//rooms/a", "rooms/a", "x/rooms/a"]
)
def test_an_unknown_path_is_unrecognized(path: str) -> None:
    with pytest.raises(Unrecognized) as caught:
        Router([at("/rooms/{roomId}")]).find("GET", path)
    assert (caught.value.status, caught.value.errcode) == (404, "M_UNRECOGNIZED")


def test_a_known_path_with_another_method_is_not_allowed() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        Router([at("/rooms/{roomId}")]).find("POST", "/rooms/a")
    assert (caught.value.status, caught.value.errcode) == (405, "M_UNRECOGNIZED")


def test_head_finds_what_get_finds() -> None:
    router = Router([at("/download/{name}"), at("/upload", "POST")])
    assert found(router, "HEAD", "/download/a")[1] == {"name": "a"}
    with pytest.raises(MethodNotAllowed):
        router.find("HEAD", "/upload")


def test_two_routes_cannot_share_a_method_and_path() -> None:
    with pytest.raises(ValueError, match="two routes for GET"):
        Router([at("/rooms/{roomId}"), at("/rooms/{id}")])


def test_a_segment_and_the_rest_cannot_be_taken_in_the_same_place() -> None:
    with pytest.raises(ValueError, match="takes a segment"):
        Router([at("/content/{*path}"), at("/content/{name}/info")])
