"""The fields of events that a filter asks for.

Client-server API, "Filtering", ``event_fields``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.property_paths import parse_property_path

_Tree: TypeAlias = "dict[str, _Tree | None]"


@attrs.frozen(eq=False)
class EventFields:
    """A selection of the properties of events."""

    _tree: _Tree
    """Property names; None under a name stands for the whole property."""

    @classmethod
    def of(cls, paths: Iterable[str]) -> EventFields:
        """Select the properties at these dot-separated paths."""
        tree: _Tree = {}
        for path in paths:
            _add(tree, parse_property_path(path))
        return cls(tree)

    def select(self, event: JsonObject) -> JsonObject:
        """A copy of an event, in any format, with the selected properties alone.

        Values are shared with ``event``.
        """
        return _select(event, self._tree)


def _add(tree: _Tree, names: tuple[str, ...]) -> None:
    *outer, last = names
    for name in outer:
        below = tree.setdefault(name, {})
        if below is None:
            return
        tree = below
    tree[last] = None


def _select(value: JsonObject, tree: _Tree) -> JsonObject:
    selected: JsonObject = {}
    for name, below in tree.items():
        if name not in value:
            continue
        inner = value[name]
        if below is None:
            selected[name] = inner
        elif isinstance(inner, dict) and (chosen := _select(inner, below)):
            selected[name] = chosen
    return selected
