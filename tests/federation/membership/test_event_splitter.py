"""Cutting answers into events."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.membership.event_splitter import MAX_EVENT_BYTES, EventSplitter
from federation.membership.failures import UnusableAnswer

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)


def split(text: bytes, sizes: random.Random, depth: int = 1) -> tuple[list[Any], list[Any], Any]:
    """The events of the state and of the auth chain, and the rest."""
    splitter = EventSplitter(depth)
    elements = []
    position = 0
    while position < len(text):
        size = sizes.randrange(1, 12)
        elements += splitter.feed(text[position : position + size])
        position += size
    state = [json.loads(e.text) for e in elements if e.is_state]
    chain = [json.loads(e.text) for e in elements if not e.is_state]
    return state, chain, json.loads(splitter.rest())


@given(EVENTS, EVENTS, VALUES, st.randoms(use_true_random=False), st.booleans())
def test_events_are_found_however_the_text_is_cut(
    state: list[Any], chain: list[Any], other: Any, sizes: random.Random, is_pair: bool
) -> None:
    answer: Any = {"origin": "state", "auth_chain": chain, "event": other, "state": state, "x": []}
    text = json.dumps([200, answer] if is_pair else answer, indent=sizes.choice([None, 1]))
    found, cited, rest = split(text.encode(), sizes, depth=2 if is_pair else 1)
    assert (found, cited) == (state, chain)
    emptied = {**answer, "auth_chain": [], "state": []}
    assert rest == ([200, emptied] if is_pair else emptied)


def test_arrays_within_other_members_are_left_alone() -> None:
    text = b'{"event":{"state":[{"a":1}]},"state":[]}'
    assert split(text, random.Random(1)) == ([], [], json.loads(text))


def test_what_is_no_event_stays_in_the_rest() -> None:
    splitter = EventSplitter()
    assert [e.text for e in splitter.feed(b'{"state":[{"a":1}, 5 ,{"b":2}]}')] == [
        b'{"a":1}',
        b'{"b":2}',
    ]
    assert splitter.rest() == b'{"state":[5]}'


def test_an_event_without_an_end_is_given_up() -> None:
    splitter = EventSplitter()
    splitter.feed(b'{"state":[{"a":"')
    with pytest.raises(UnusableAnswer):
        splitter.feed(b"x" * (MAX_EVENT_BYTES + 1))
