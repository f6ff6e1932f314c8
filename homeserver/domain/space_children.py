"""The children of a space, as its `m.space.child` events name them.

Specification: client-server API, "`m.space.child` relationship" and "Ordering of children within a
space".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

from homeserver.domain.canonical_json import JsonObject

_ORDER = re.compile(r"[\x20-\x7E]{1,50}")


class ChildEvent(Protocol):
    """An `m.space.child` event, or what was told of one; ``raw_content`` is its content in JSON."""

    @property
    def type(self) -> str: ...

    @property
    def state_key(self) -> str | None: ...

    @property
    def content(self) -> JsonObject: ...

    @property
    def raw_content(self) -> bytes: ...

    @property
    def sender(self) -> str: ...

    @property
    def origin_server_ts(self) -> int: ...


class HasEvent(Protocol):
    """Something around an event."""

    @property
    def event(self) -> ChildEvent: ...


Child = TypeVar("Child", bound=HasEvent)


def ordered_children(children: Iterable[Child]) -> list[Child]:
    """The events that name a child, in the order in which clients show the children."""
    return sorted((c for c in children if is_child(c.event.content)), key=_key)


def is_child(content: JsonObject) -> bool:
    """Whether the event still names a child: it has a list of servers to join it by."""
    via = content.get("via")
    return isinstance(via, list) and bool(via) and all(isinstance(v, str) for v in via)


def is_suggested(content: JsonObject) -> bool:
    """Whether the child is of interest to all members of the space."""
    return content.get("suggested") is True


def _key(child: HasEvent) -> tuple[bool, str, int, str]:
    event = child.event
    order = event.content.get("order")
    if not isinstance(order, str) or _ORDER.fullmatch(order) is None:
        return (True, "", event.origin_server_ts, event.state_key or "")
    return (False, order, event.origin_server_ts, event.state_key or "")
