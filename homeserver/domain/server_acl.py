"""Server access control lists: which servers may take part in a room.

Specification: client-server API, "Server Access Control Lists (ACLs) for rooms".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from homeserver.domain.globs import Matcher, compile_glob

_DOTTED_QUAD = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")
_PORT = re.compile(r":[0-9]*\Z")


def is_server_allowed(acl_content: Mapping[str, Any] | None, server_name: str) -> bool:
    """Whether a server may take part in a room.

    ``acl_content`` is that of the current `m.room.server_acl` event, None when the room has none.
    The server's port does not count, nor does the case of letters.
    """
    if acl_content is None:
        return True
    host = _PORT.sub("", server_name).lower()
    if acl_content.get("allow_ip_literals") is False and _is_ip_literal(host):
        return False
    if _matches_any(acl_content.get("deny"), host):
        return False
    return _matches_any(acl_content.get("allow"), host)


def _is_ip_literal(host: str) -> bool:
    return host.startswith("[") or _DOTTED_QUAD.fullmatch(host) is not None


def _matches_any(globs: Any, host: str) -> bool:
    if not isinstance(globs, list):
        return False
    matchers = _compile(tuple(glob for glob in globs if isinstance(glob, str)))
    return any(matches(host) for matches in matchers)


@lru_cache(maxsize=256)
def _compile(globs: tuple[str, ...]) -> tuple[Matcher, ...]:
    return tuple(compile_glob(glob.lower()) for glob in globs)
