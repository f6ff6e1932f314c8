"""The paths of requests, escaped so that what is signed is what arrives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote, urlencode

Query: TypeAlias = Mapping[str, str | Sequence[str]]
"""Parameters of a query; a sequence stands for a parameter that is repeated."""


def federation_path(*segments: str, version: str = "v1") -> str:
    """``/_matrix/federation/<version>/`` and the segments, each escaped, without a slash at the
    end."""
    return f"/_matrix/federation/{version}/" + "/".join(quote(each, safe="") for each in segments)


def with_query(path: str, query: Query | None) -> str:
    """The target of a request: an escaped path and its query, if there is any.

    Raises ValueError for a path that is not absolute or not escaped.
    """
    if not path.startswith("/") or not path.isascii() or any(c in path for c in " ?#\r\n\t"):
        raise ValueError(f"{path!r} is not an escaped path")
    if not query:
        return path
    return f"{path}?{urlencode(query, doseq=True, quote_via=quote, safe='')}"
