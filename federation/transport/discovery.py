"""From a server name to the endpoints to connect to.

Server-server API, "Resolving server names": the numbers below are those of its steps. Nothing is
remembered here; what the steps learn from DNS and .well-known is, each for its own time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from federation.transport.endpoints import Endpoint
from federation.transport.errors import NameNotResolved
from federation.transport.name_lookups import NameLookups
from federation.transport.srv_records import services_of
from federation.transport.well_known import WellKnown
from homeserver.domain.errors import InvalidParam
from homeserver.domain.server_name_parts import ServerNameParts, split_server_name

DEFAULT_PORT: Final = 8448


class Discovery:
    """Finds where servers are."""

    def __init__(
        self, lookups: NameLookups, well_known: WellKnown, random: Callable[[], float]
    ) -> None:
        self._lookups = lookups
        self._well_known = well_known
        self._random = random

    async def endpoints_of(self, server_name: str) -> list[Endpoint]:
        """Where a server is, in the order to try; at least one.

        Raises NameNotResolved when there is none.
        """
        try:
            named = split_server_name(server_name)
        except InvalidParam as error:
            raise NameNotResolved(f"{server_name!r} is not a server name") from error
        if named.address is not None or named.port is not None:
            return [_directly(named)]  # steps 1 and 2
        delegated = await self._well_known.delegate_of(named.host)  # step 3
        if delegated is None:
            return await self._by_services(named)  # steps 4 to 6
        if delegated.address is not None or delegated.port is not None:
            return [_directly(delegated)]  # steps 3.1 and 3.2
        return await self._by_services(delegated)  # steps 3.3 to 3.5

    async def _by_services(self, named: ServerNameParts) -> list[Endpoint]:
        services = await services_of(self._lookups, named.host, self._random)
        if services is None:
            return [_directly(named)]
        if not services:
            raise NameNotResolved(f"{named.host} declares that it has no Matrix server")
        # Whoever an SRV record names must prove that it is the host itself.
        return [
            Endpoint(each.target, each.port, host_header=named.text, tls_name=named.host)
            for each in services
        ]


def _directly(named: ServerNameParts) -> Endpoint:
    port = DEFAULT_PORT if named.port is None else named.port
    return Endpoint(named.host, port, host_header=named.text, tls_name=named.host)
