"""Every operation that the server has, as a page for docs/.

`python -m homeserver.runtime.coverage > docs/coverage.md`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from homeserver.http.routes import Access, Route
from homeserver.runtime.config import parse_config

_HEAD: Final = """\
# Operations

*Made from the routes by `python -m homeserver.runtime.coverage`.*

Every operation of the HTTP surface: who may call it, the budget that a call is counted against
(`limits.rates` in the [configuration](configuration.md)), and where the specification describes it.
A path that has several versions is served under each of them.
"""


def served_routes() -> list[Route]:
    """The routes of a server with every option switched on."""
    from twisted.internet import reactor

    from homeserver.runtime.wiring import build

    with TemporaryDirectory() as directory:
        server = build(parse_config("", Path(directory), {}), reactor)
        server.on.database.close()
        return server.dispatcher.router.routes


def render_coverage(routes: Iterable[Route]) -> str:
    """The page about some routes."""
    ordered = sorted(routes, key=lambda route: (_operation(route), route.method))
    lines = [
        _HEAD,
        "| access | who |",
        "|---|---|",
        *(f"| {access.name.lower()} | {access.value} |" for access in Access),
        "",
        f"There are {len(ordered)} operations.",
        "",
        "| method | path | access | rate class | section |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {route.method} | {'<br>'.join(_paths(route))} | {route.access.name.lower()} "
        f"| {route.rate.value} | {route.section} |"
        for route in ordered
    ]
    return "\n".join(lines) + "\n"


def _operation(route: Route) -> str:
    """The first path of a route without its version, by which operations of an area stand
    together."""
    return "/".join(segment for segment in route.paths[0].split("/") if not _is_version(segment))


def _paths(route: Route) -> Iterator[str]:
    """The paths of a route; those that differ in the version alone on one line."""
    versions: dict[str, list[str]] = {}
    for path in route.paths:
        segments = path.split("/")
        version = next((s for s in segments if _is_version(s)), "")
        template = "/".join("{version}" if s == version and version else s for s in segments)
        versions.setdefault(template, []).append(version)
    for template, found in versions.items():
        shown = found[0] if len(found) == 1 else "{" + ",".join(found) + "}"
        yield f"`{template.replace('{version}', shown)}`"


def _is_version(segment: str) -> bool:
    return segment in ("r0", "unstable") or (segment[:1] == "v" and segment[1:].isdigit())


if __name__ == "__main__":
    print(render_coverage(served_routes()), end="")  # noqa: T201
