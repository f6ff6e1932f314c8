"""What handlers read out of requests."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from homeserver.domain.errors import (
    BadJson,
    InvalidParam,
    MatrixError,
    MissingParam,
    MissingToken,
    NotJson,
)
from tests.http_requests import make_request


class Body(msgspec.Struct):
    name: str
    size: Annotated[int, msgspec.Meta(ge=0)] = 0


class Query(msgspec.Struct):
    limit: int = 10
    full: bool = False
    via: list[str] = []


class Needed(msgspec.Struct):
    ts: int


def object_in(raw: bytes) -> dict[str, Any]:
    return make_request("POST", "/", raw_body=raw).body_object()


def test_a_body_is_read_as_an_object() -> None:
    assert object_in(b'{"a": [1, "\\u00e9", null]}') == {"a": [1, "é", None]}


def test_no_body_counts_as_an_empty_object() -> None:
    assert object_in(b"") == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"hello",
        b" ",
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"{} {}",
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NotJson) as caught:
        object_in(raw)
    assert (caught.value.status, caught.value.errcode) == (400, "M_NOT_JSON")


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"a"', b"null", b"true"])
def test_a_body_must_be_an_object(raw: bytes) -> None:
    with pytest.raises(BadJson):
        object_in(raw)
    with pytest.raises(BadJson):
        make_request("POST", "/", raw_body=raw).body_as(Query)


@pytest.mark.parametrize("raw", [b'{"a": ' + b"1" * 5000 + b"}", b'{"a": 1e999}'])
def test_numbers_out_of_all_range_are_bad_json(raw: bytes) -> None:
    with pytest.raises(BadJson):
        object_in(raw)


@pytest.mark.parametrize("levels", [101, 900, 100_000])
def test_a_body_that_nests_too_deeply_is_bad_json(levels: int) -> None:
    raw = b'{"a":' * levels + b"1" + b"}" * levels
    with pytest.raises(BadJson, match="nested too deeply"):
        object_in(raw)
    with pytest.raises(BadJson, match="nested too deeply"):
        make_request("POST", "/", raw_body=raw).body_as(Query)


def test_a_body_may_nest_as_deeply_as_is_configured() -> None:
    raw = b'{"a":' * 100 + b"1" + b"}" * 100
    assert object_in(raw)


DEEP = b'{"a":' * 101 + b"1" + b"}" * 101


@pytest.mark.parametrize(
    ("part", "error"), [(DEEP, BadJson), (b"1e999", BadJson), (b'"\xff"', NotJson)]
)
def test_a_part_of_a_body_that_cannot_be_read_leaves_the_others_alone(
    part: bytes, error: type[MatrixError]
) -> None:
    request = make_request("POST", "/", raw_body=b'{"odd": ' + part + b', "even": [2]}')
    members = request.body_members()
    assert request.part_of_body(members["even"]) == [2]
    with pytest.raises(error):
        request.part_of_body(members["odd"])


@pytest.mark.parametrize(
    ("raw", "error"),
    [(b"[]", BadJson), (b"1", BadJson), (b'{"a": 1', NotJson), (b'{"a": 1} {', NotJson)],
)
def test_what_is_no_object_has_no_members(raw: bytes, error: type[MatrixError]) -> None:
    with pytest.raises(error):
        make_request("POST", "/", raw_body=raw).body_members()


def test_no_body_has_no_members() -> None:
    assert make_request("POST", "/").body_members() == {}


def test_a_body_is_read_as_a_model() -> None:
    request = make_request("POST", "/", {"name": "a", "size": 3, "unknown": True})
    assert request.body_as(Body) == Body("a", 3)


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(MissingParam, match="name"):
        make_request("POST", "/", {}).body_as(Body)


@pytest.mark.parametrize("body", [{"name": 3}, {"name": "a", "size": -1}, {"name": None}])
def test_a_field_of_another_kind_is_bad_json(body: Any) -> None:
    with pytest.raises(BadJson):
        make_request("POST", "/", body).body_as(Body)


def test_a_query_is_read_as_a_model() -> None:
    request = make_request("GET", "/?limit=5&full=true&via=a&via=b&other=1")
    assert request.query_as(Query) == Query(5, True, ["a", "b"])
    assert make_request("GET", "/").query_as(Query) == Query()


def test_of_a_parameter_given_twice_the_first_counts() -> None:
    request = make_request("GET", "/?limit=1&limit=2")
    assert request.query_value("limit") == "1"
    assert request.query_as(Query).limit == 1


@pytest.mark.parametrize("query", ["limit=many", "full=perhaps", "limit=" + "1" * 5000])
def test_a_parameter_of_another_kind_is_invalid(query: str) -> None:
    with pytest.raises(InvalidParam):
        make_request("GET", f"/?{query}").query_as(Query)


def test_a_parameter_that_is_missing_is_named() -> None:
    with pytest.raises(MissingParam, match="ts"):
        make_request("GET", "/?other=1").query_as(Needed)


@pytest.mark.parametrize("query", ["&&&", "=", "a", "%", "%FF=%FF", "a=b=c&a;b", "+=+"])
def test_odd_queries_are_read_as_far_as_they_go(query: str) -> None:
    assert make_request("GET", f"/?{query}").query_as(Query) == Query()


def test_a_public_request_has_no_requester() -> None:
    request = make_request("GET", "/")
    assert request.requester_or_none is None
    with pytest.raises(MissingToken) as caught:
        _ = request.user_id
    assert isinstance(caught.value, MatrixError)
