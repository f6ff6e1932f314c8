"""Which operations belong to which kind of listener."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from homeserver.http.routes import Route
from homeserver.runtime.config.sections import Resource

_FEDERATION: Final = ("/_matrix/federation/", "/_matrix/key/")
_EVERYWHERE: Final = ("/.well-known/matrix/", "/health")


def is_served(route: Route, resources: Collection[Resource]) -> bool:
    """Whether a listener with these resources serves an operation."""
    if any(path.startswith(_EVERYWHERE) for path in route.paths):
        return True
    is_federation = any(path.startswith(_FEDERATION) for path in route.paths)
    return ("federation" if is_federation else "client") in resources
