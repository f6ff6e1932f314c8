"""Where clients and servers find the server, and whom people turn to.

Client-server API, "Well-known URIs"; server-server API, "Server discovery".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import NotFound
from homeserver.http.answers import Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, Route, route


@attrs.frozen
class WellKnown:
    """What is published under /.well-known/matrix.

    ``client_base_url`` is the URL under which clients reach the server, ``client_extra`` more
    properties of their document, ``rtc_foci`` where the media of MatrixRTC sessions can go, best
    first. ``server`` is the host and port that other servers are sent to, if not the server name's
    own. Each of ``support_contacts`` is as in the answer.
    """

    client_base_url: str
    client_extra: Mapping[str, Any] = attrs.Factory(dict)
    rtc_foci: Sequence[JsonObject] = ()
    server: str | None = None
    support_page: str | None = None
    support_contacts: Sequence[JsonObject] = ()


class WellKnownApi:
    """Documents of the server name, which are not part of any version of an API."""

    def __init__(self, published: WellKnown) -> None:
        self._published = published

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        documents = {
            "client": (self.client, "Well-known URIs"),
            "support": (self.support, "Well-known URIs"),
            "server": (self.server, "Server discovery"),
        }
        return [
            route(
                "GET",
                (f"/.well-known/matrix/{name}",),
                handler,
                access=Access.PUBLIC,
                section=section,
            )
            for name, (handler, section) in documents.items()
        ]

    async def client(self, request: Request) -> Answer:
        """``GET /.well-known/matrix/client``"""
        document: JsonObject = dict(self._published.client_extra)
        if self._published.rtc_foci:
            document["org.matrix.msc4143.rtc_foci"] = self._published.rtc_foci
        document["m.homeserver"] = {"base_url": self._published.client_base_url}
        return ok(document)

    async def server(self, request: Request) -> Answer:
        """``GET /.well-known/matrix/server``"""
        if self._published.server is None:
            raise NotFound("This server is where its name says")
        return ok({"m.server": self._published.server})

    async def support(self, request: Request) -> Answer:
        """``GET /.well-known/matrix/support``"""
        document: JsonObject = {}
        if self._published.support_contacts:
            document["contacts"] = list(self._published.support_contacts)
        if self._published.support_page is not None:
            document["support_page"] = self._published.support_page
        if not document:
            raise NotFound("No support information is available")
        return ok(document)
