"""From a method and a path to a route."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from homeserver.domain.errors import InvalidParam, MethodNotAllowed, Unrecognized
from homeserver.http.routes import Route

_Entry = tuple[Route, tuple[str, ...]]
"""A route and the names of its path's parameters."""


class _Node:
    __slots__ = ("children", "parameter", "rest", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest = False
        self.routes: dict[str, _Entry] = {}


class Router:
    """Every route of a listener, as a tree of path segments.

    A literal segment wins over a parameter, where there is a route for the method below it.
    Segments are percent-decoded after splitting, so an encoded slash belongs to its parameter. A
    template may end in ``{*name}``, which takes the rest of the path, slashes included.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self.routes = list(routes)
        for route in self.routes:
            for path in route.paths:
                self._add(route, path)

    def _add(self, route: Route, path: str) -> None:
        node = self._root
        names = []
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment[1:-1].lstrip("*"))
                is_rest = segment.startswith("{*")
                if node.parameter is None:
                    node.parameter = _Node()
                    node.parameter.rest = is_rest
                elif node.parameter.rest is not is_rest:
                    raise ValueError(f"{path} takes a segment of which another route takes more")
                node = node.parameter
            else:
                node = node.children.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {path}")
        node.routes[route.method] = (route, tuple(names))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and the decoded parameters of its path.

        Raises Unrecognized (404) for an unknown path and MethodNotAllowed (405) for a known path
        with another method. HEAD finds what GET finds.
        """
        if method == "HEAD":
            method = "GET"
        segments = path.split("/")
        found = self._match(segments, method)
        if found is None:
            raise Unrecognized() if self._match(segments, None) is None else MethodNotAllowed()
        (route, names), values = found
        if not names:
            return route, {}
        try:
            decoded = [unquote(value, errors="strict") for value in values]
        except UnicodeDecodeError:
            raise InvalidParam("The path is not valid UTF-8") from None
        return route, dict(zip(names, decoded, strict=True))

    def _match(
        self, segments: list[str], method: str | None
    ) -> tuple[_Entry, tuple[str, ...]] | None:
        """The route for a method, or any route for None, with what its parameters take."""
        return None if segments[0] else _match(self._root, segments, 1, (), method)


def _match(
    node: _Node, segments: list[str], index: int, values: tuple[str, ...], method: str | None
) -> tuple[_Entry, tuple[str, ...]] | None:
    if index == len(segments):
        return _entry(node, values, method)
    child = node.children.get(segments[index])
    if child is not None:
        found = _match(child, segments, index + 1, values, method)
        if found is not None:
            return found
    if node.parameter is not None:
        if node.parameter.rest:
            return _entry(node.parameter, (*values, "/".join(segments[index:])), method)
        return _match(node.parameter, segments, index + 1, (*values, segments[index]), method)
    return None


def _entry(
    node: _Node, values: tuple[str, ...], method: str | None
) -> tuple[_Entry, tuple[str, ...]] | None:
    entry = node.routes.get(method or next(iter(node.routes), ""))
    return None if entry is None else (entry, values)
