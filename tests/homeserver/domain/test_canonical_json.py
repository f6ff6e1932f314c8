from __future__ import annotations

import json
from typing import Any

import canonicaljson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.canonical_json import (
    MAX_INTEGER,
    MAX_NESTING,
    JsonObject,
    check_canonical,
    check_lenient,
    encode_canonical_json,
    encode_lenient_json,
)
from homeserver.domain.errors import BadJson
from tests.homeserver.domain.pdus import json_objects, json_values

SPECIFIED = [
    ("{}", "{}"),
    ('{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'),
    ('{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'),
    ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
    (
        """
        {"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {
            "display_name": "John Doe",
            "three_pids": [
                {"medium": "email", "address": "john.doe@example.org"},
                {"medium": "msisdn", "address": "123456789"}
            ]
        }}}
        """,
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe",'
        '"three_pids":[{"address":"john.doe@example.org","medium":"email"},'
        '{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ),
    ('{"a": "日本語"}', '{"a":"日本語"}'),
    ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
    ('{"a": "\\u65E5"}', '{"a":"日"}'),
    ('{"a": null}', '{"a":null}'),
    ('{"a": -0}', '{"a":0}'),
]


def encode_by_grammar(value: Any) -> str:
    """The grammar of the specification, read literally."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return '"' + "".join(_CHARACTERS.get(char, char) for char in value) + '"'
        case list():
            return "[" + ",".join(encode_by_grammar(item) for item in value) + "]"
        case _:
            by_code_points = sorted(value.items(), key=lambda item: [ord(c) for c in item[0]])
            members = [f"{encode_by_grammar(k)}:{encode_by_grammar(v)}" for k, v in by_code_points]
            return "{" + ",".join(members) + "}"


_CHARACTERS = {
    **{chr(code): f"\\u{code:04x}" for code in range(0x20)},
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}


@pytest.mark.parametrize(("source", "canonical"), SPECIFIED)
def test_the_examples_of_the_specification(source: str, canonical: str) -> None:
    assert encode_canonical_json(json.loads(source)).decode() == canonical


def test_every_character_of_the_basic_plane_has_its_shortest_form() -> None:
    text = "".join(chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000)

    assert encode_canonical_json(text).decode() == encode_by_grammar(text)


@given(json_values)
def test_the_encoding_is_that_of_the_grammar(value: Any) -> None:
    assert encode_canonical_json(value).decode() == encode_by_grammar(value)


@given(json_objects)
def test_the_encoding_is_that_of_the_reference_library(value: JsonObject) -> None:
    assert encode_canonical_json(value) == canonicaljson.encode_canonical_json(value)


@given(json_values)
def test_decoding_gives_the_value_back(value: Any) -> None:
    assert json.loads(encode_canonical_json(value)) == value


@given(json_values)
def test_encoding_again_changes_nothing(value: Any) -> None:
    encoded = encode_canonical_json(value)

    assert encode_canonical_json(json.loads(encoded)) == encoded


@given(json_objects, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value: JsonObject, random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)

    assert encode_canonical_json(dict(items)) == encode_canonical_json(value)


@given(json_values)
def test_canonical_values_have_the_same_lenient_encoding(value: Any) -> None:
    check_lenient(value)

    assert encode_lenient_json(value) == encode_canonical_json(value)


NOT_CANONICAL = [
    1.0,
    1e10,
    -0.0,
    MAX_INTEGER + 1,
    -MAX_INTEGER - 1,
    2**70,
]
NOT_JSON = [
    float("nan"),
    float("inf"),
    "\ud800",
    {"\udfff": 1},
    {1: "a"},
    {None: "a"},
    b"bytes",
    {"set"},
    object(),
]


@pytest.mark.parametrize("value", [*NOT_CANONICAL, *NOT_JSON])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    for nested in (value, [value], {"a": {"b": [value]}}):
        with pytest.raises(BadJson):
            check_canonical(nested)
        with pytest.raises(BadJson):
            encode_canonical_json(nested)


@pytest.mark.parametrize("value", [MAX_INTEGER, -MAX_INTEGER, 0, True])
def test_the_limits_of_integers_are_canonical(value: int) -> None:
    assert encode_canonical_json(value) == str(value).lower().encode()


@pytest.mark.parametrize("value", NOT_CANONICAL)
def test_old_rooms_may_have_any_number(value: Any) -> None:
    check_lenient({"a": value})

    assert json.loads(encode_lenient_json({"a": value})) == {"a": value}


@pytest.mark.parametrize("value", NOT_JSON)
def test_old_rooms_may_not_have_what_is_no_json(value: Any) -> None:
    with pytest.raises(BadJson):
        check_lenient([value])


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, b"bytes", {"set"}, float("nan")])
def test_the_lenient_encoder_refuses_what_is_no_json(value: Any) -> None:
    with pytest.raises(BadJson):
        encode_lenient_json({"a": value})


def nested(levels: int) -> Any:
    value: Any = "core"
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_is_limited() -> None:
    assert encode_canonical_json(nested(MAX_NESTING)).startswith(b"[[")
    for too_deep in (MAX_NESTING + 1, 100_000):
        with pytest.raises(BadJson):
            encode_canonical_json(nested(too_deep))
    with pytest.raises(BadJson):
        encode_lenient_json(nested(100_000))
