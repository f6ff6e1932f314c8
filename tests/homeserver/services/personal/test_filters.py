"""Filters for the sync engine."""

from __future__ import annotations

import pytest

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, InvalidParam, TooLarge
from homeserver.domain.filters import compile_filter, parse_filter
from homeserver.services.personal.filters import MAX_FILTER_BYTES, Filters
from storage.personal.filters import SqlFilterStore
from tests.homeserver.personal_server import ALICE, BOB, PersonalServer

LAZY: JsonObject = {"room": {"state": {"lazy_load_members": True}}}


async def test_a_stored_filter_is_ready_by_its_id() -> None:
    server = PersonalServer()
    filter_id = await server.filters.define(ALICE, LAZY)
    assert not filter_id.startswith("{")
    compiled = compile_filter(parse_filter(LAZY))
    server.database.reads = 0
    assert await server.filters.compiled(ALICE, filter_id) is compiled
    assert server.database.reads == 0
    again = server.restarted()
    again.database.reads = 0
    for _ in range(2):
        assert await again.filters.compiled(ALICE, filter_id) is compiled
    assert again.database.reads == 1


async def test_equal_filters_have_one_id() -> None:
    server = PersonalServer()
    ids = {await server.filters.define(ALICE, LAZY) for _ in range(2)}
    assert len(ids) == 1
    assert await server.filters.define(ALICE, {}) not in ids


async def test_a_filter_in_the_request_is_ready_without_the_database() -> None:
    server = PersonalServer()
    server.database.reads = 0
    text = '{"room":{"state":{"lazy_load_members":true}}}'
    assert await server.filters.compiled(ALICE, text) is compile_filter(parse_filter(LAZY))
    assert server.database.reads == 0


@pytest.mark.parametrize("text", ["0", "", "x" * 300, "a\0b", "../x"])
async def test_an_unknown_filter_is_an_invalid_parameter(text: str) -> None:
    server = PersonalServer()
    with pytest.raises(InvalidParam):
        await server.filters.compiled(ALICE, text)


async def test_a_filter_of_somebody_else_is_unknown() -> None:
    server = PersonalServer()
    filter_id = await server.filters.define(ALICE, LAZY)
    with pytest.raises(InvalidParam):
        await server.filters.compiled(BOB, filter_id)


@pytest.mark.parametrize(
    "text", ['{"room":', '{"room":1}', "{" * 100_000, '{"room":{"state":{"types":7}}}']
)
async def test_what_is_no_filter_is_refused(text: str) -> None:
    server = PersonalServer()
    with pytest.raises((BadJson, TooLarge)):
        await server.filters.compiled(ALICE, text)


async def test_a_filter_must_not_be_huge() -> None:
    server = PersonalServer()
    with pytest.raises(TooLarge):
        await server.filters.define(ALICE, {"event_fields": ["x" * MAX_FILTER_BYTES]})


async def test_those_used_last_are_remembered() -> None:
    server = PersonalServer()
    filters = Filters(SqlFilterStore(server.log), capacity=1)
    first = await filters.define(ALICE, LAZY)
    await filters.define(ALICE, {})
    server.database.reads = 0
    await filters.compiled(ALICE, first)
    assert server.database.reads == 1
