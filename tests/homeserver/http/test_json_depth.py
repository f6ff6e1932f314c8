"""How deep a JSON document nests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.http.json_depth import is_deeper

VALUES = st.recursive(
    st.none() | st.text('[]{}"\\,a') | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[]{}"\\a'), inner),
    max_leaves=30,
)


def depth_of(value: Any) -> int:
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case _:
            return 0


@given(VALUES, st.integers(1, 8))
def test_it_is_what_building_the_document_tells(value: Any, depth: int) -> None:
    assert is_deeper(json.dumps(value).encode(), depth) == (depth_of(value) > depth)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_the_limit_itself_is_allowed(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    assert not is_deeper(opening * 100 + b"1" + closing * 100, 100)
    assert is_deeper(opening * 101 + b"1" + closing * 101, 100)


def test_brackets_in_strings_do_not_count() -> None:
    assert not is_deeper(json.dumps(["[" * 500, '"{' * 500, "\\[" * 500, "[]"]).encode(), 100)


def test_a_long_list_of_small_objects_is_shallow() -> None:
    assert not is_deeper(json.dumps([{"a": [{}]}] * 10_000).encode(), 100)
