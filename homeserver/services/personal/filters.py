"""Filters that clients upload once and name afterwards, or send with a request.

Client-server API, "Filtering".
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import OrderedDict
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec

from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.errors import BadJson, InvalidParam, NotFound, TooLarge
from homeserver.domain.filters import CompiledFilter, compile_filter, parse_filter
from homeserver.domain.identifiers import UserId, is_opaque_identifier
from homeserver.ports.personal.filters import FilterStore

MAX_FILTER_BYTES: Final = 65_536
CAPACITY: Final = 20_000
"""How many names of filters are remembered; equal filters share what is compiled."""

_MAX_REMEMBERED_TEXT: Final = 4096


class Filters:
    """Stores the filters of users and makes them ready for the sync engine."""

    def __init__(self, store: FilterStore, capacity: int = CAPACITY) -> None:
        self._store = store
        self._capacity = capacity
        self._compiled: OrderedDict[tuple[UserId, str], CompiledFilter] = OrderedDict()

    async def define(self, user_id: UserId, definition: JsonObject) -> str:
        """Store a filter; its ID. Equal filters of a user have one ID.

        Raises BadJson and InvalidParam for what is no filter, and TooLarge.
        """
        encoded = encode_lenient_json(definition)
        if len(encoded) > MAX_FILTER_BYTES:
            raise TooLarge("The filter is too large")
        compiled = compile_filter(parse_filter(definition))
        filter_id = urlsafe_b64encode(sha256(encoded).digest()[:12]).decode()
        await self._store.put(user_id, filter_id, encoded)
        self._remember(user_id, filter_id, compiled)
        return filter_id

    async def definition(self, user_id: UserId, filter_id: str) -> bytes:
        """A filter that was stored, as JSON. Raises NotFound."""
        definition = await self._find(user_id, filter_id)
        if definition is None:
            raise NotFound("There is no such filter")
        return definition

    async def compiled(self, user_id: UserId, filter_text: str) -> CompiledFilter:
        """The filter that a request names by its ID, or spells out as JSON.

        Raises InvalidParam for an unknown ID, and as `define` for JSON that is no filter.
        """
        if filter_text.startswith("{"):
            remember = len(filter_text) <= _MAX_REMEMBERED_TEXT
            return _remembered_inline(filter_text) if remember else _inline(filter_text)
        known = self._compiled.get((user_id, filter_text))
        if known is not None:
            self._compiled.move_to_end((user_id, filter_text))
            return known
        definition = await self._find(user_id, filter_text)
        if definition is None:
            raise InvalidParam("There is no such filter")
        compiled = compile_filter(parse_filter(msgspec.json.decode(definition)))
        self._remember(user_id, filter_text, compiled)
        return compiled

    async def _find(self, user_id: UserId, filter_id: str) -> bytes | None:
        if not is_opaque_identifier(filter_id):
            return None
        return await self._store.definition(user_id, filter_id)

    def _remember(self, user_id: UserId, filter_id: str, compiled: CompiledFilter) -> None:
        self._compiled[user_id, filter_id] = compiled
        if len(self._compiled) > self._capacity:
            self._compiled.popitem(last=False)


def _inline(text: str) -> CompiledFilter:
    if len(text) > MAX_FILTER_BYTES:
        raise TooLarge("The filter is too large")
    try:
        definition = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise BadJson("The filter is not valid JSON") from None
    return compile_filter(parse_filter(definition))


_remembered_inline = lru_cache(maxsize=1024)(_inline)
