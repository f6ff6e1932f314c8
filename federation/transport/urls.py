"""URLs of other servers, and getting what they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import attrs

from federation.transport.endpoints import Endpoint
from federation.transport.errors import BrokenAnswer
from federation.transport.messages import Answer, Limits, OpenSink, OutboundRequest, collect
from federation.transport.outbound_http import OutboundHttp
from homeserver.domain.errors import InvalidParam
from homeserver.domain.server_name_parts import split_server_name

MAX_REDIRECTS: Final = 10

_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# What URLs have beside letters and digits; anything else is escaped, as browsers do.
_PUNCTUATION: Final = "!#$%&'()*+,/:;=?@[]~"


@attrs.frozen
class Location:
    """A URL taken apart: where to connect to and what to ask for."""

    endpoint: Endpoint
    target: str


def locate(url: str, schemes: tuple[str, ...] = ("https", "http")) -> Location:
    """Take a URL apart. Raises ValueError for what cannot be got."""
    try:
        return _locate(url, schemes)
    except InvalidParam as error:
        raise ValueError(f"{url!r:.200} does not name a host") from error


def _locate(url: str, schemes: tuple[str, ...]) -> Location:
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if parts.scheme not in schemes or not host or port == 0:
        raise ValueError(f"{url!r:.200} is not a URL of {' or '.join(schemes)}")
    if "@" in parts.netloc:
        raise ValueError("A URL with a user or a password is not followed")
    host = host if host.isascii() else host.encode("idna").decode("ascii")
    default = _PORTS[parts.scheme]
    bracketed = f"[{host}]" if ":" in host else host
    host_header = bracketed if port in (None, default) else f"{bracketed}:{port}"
    split_server_name(host_header)
    target = quote(parts.path, safe=_PUNCTUATION) or "/"
    if parts.query:
        target += "?" + quote(parts.query, safe=_PUNCTUATION)
    tls_name = host if parts.scheme == "https" else None
    return Location(Endpoint(host, port or default, host_header, tls_name), target)


async def get_url(
    http: OutboundHttp,
    url: str,
    limits: Limits,
    *,
    headers: Mapping[str, str] | None = None,
    schemes: tuple[str, ...] = ("https", "http"),
    open_sink: OpenSink = collect,
) -> Answer:
    """Get a URL, following redirects; ``limits.seconds`` is for each of them.

    ``open_sink`` sees the heads of redirects too. Raises OutboundError; BrokenAnswer for redirects
    in a circle, for too many and for those to elsewhere than ``schemes``.
    """
    seen: set[str] = set()
    while True:
        if url in seen or len(seen) > MAX_REDIRECTS:
            raise BrokenAnswer("the answer is one redirect after the other")
        seen.add(url)
        try:
            location = locate(url, schemes)
        except ValueError as error:
            raise BrokenAnswer(str(error)) from error
        request = OutboundRequest("GET", location.target, headers or {}, repeatable=True)
        answer = await http.request([location.endpoint], request, limits, open_sink)
        redirect = answer.headers.get("location")
        if answer.status not in _REDIRECTS or redirect is None:
            return answer
        url = _joined(url, redirect)


def _joined(url: str, redirect: str) -> str:
    try:
        return urljoin(url, redirect).partition("#")[0]
    except ValueError as error:
        raise BrokenAnswer("the answer redirects to what is no URL") from error
