"""From a method and a path to a route."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from homeserver.domain.errors import InvalidParam, MethodNotAllowed, Unrecognized
from homeserver.http.routes import Route


class _Node:
    __slots__ = ("children", "parameter", "rest", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest = False
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}


class Router:
    """Every route of a listener, as a tree of path segments.

    A literal segment wins over a parameter. Segments are percent-decoded after splitting, so an
    encoded slash belongs to its parameter.
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
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
                node.rest = segment.startswith("{*")
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
        found = self._match(self._root, path.split("/"), 1, ())
        if found is None:
            raise Unrecognized()
        node, values = found
        entry = node.routes.get("GET" if method == "HEAD" else method)
        if entry is None:
            raise MethodNotAllowed()
        route, names = entry
        if not names:
            return route, {}
        try:
            decoded = [unquote(value, errors="strict") for value in values]
        except UnicodeDecodeError:
            raise InvalidParam("The path is not valid UTF-8") from None
        return route, dict(zip(names, decoded, strict=True))

    def knows(self, path: str) -> bool:
        """Whether any method is routed for the path."""
        return self._match(self._root, path.split("/"), 1, ()) is not None

    def _match(
        self, node: _Node, segments: list[str], index: int, values: tuple[str, ...]
    ) -> tuple[_Node, tuple[str, ...]] | None:
        if index == len(segments):
            return (node, values) if node.routes else None
        child = node.children.get(segments[index])
        if child is not None:
            found = self._match(child, segments, index + 1, values)
            if found is not None:
                return found
        if node.parameter is not None:
            if node.parameter.rest:
                return node.parameter, (*values, "/".join(segments[index:]))
            return self._match(node.parameter, segments, index + 1, (*values, segments[index]))
        return None
