"""Asking policy servers to recommend events.

Server-server API, "Asking for a Policy Server signature on an event".
"""

from __future__ import annotations

from typing import Any, Final

from federation.queries.asking import RemoteServers
from federation.transport.errors import RemoteError
from homeserver.domain.errors import BadJson, Forbidden, MatrixError, NotFound, UnableToRetrieve
from homeserver.domain.event_signatures import add_signatures
from homeserver.domain.events import Event
from homeserver.domain.policy_servers import POLICY_KEY_ID, PolicyServer, is_recommended

PATH: Final = "/_matrix/policy/v1/sign"
SECONDS: Final = 10.0
_MAX_BYTES: Final = 65_536

_REFUSALS: Final[dict[str, type[MatrixError]]] = {
    "M_FORBIDDEN": Forbidden,
    "M_BAD_JSON": BadJson,
    "M_NOT_FOUND": NotFound,
}


class PolicyServers:
    """See :class:`homeserver.ports.federation.policy_servers.PolicyServers`."""

    def __init__(self, servers: RemoteServers) -> None:
        self._servers = servers

    async def recommended(self, event: Event, policy: PolicyServer) -> Event:
        if is_recommended(event, policy):
            return event
        try:
            told = await self._servers.post_json(
                policy.server, PATH, event.pdu, timeout=SECONDS, max_bytes=_MAX_BYTES
            )
        except RemoteError as error:
            refusal = _REFUSALS.get(error.remote_errcode)
            if refusal is None:
                raise
            raise refusal(error.remote_error or None) from error
        signature = _signature(told.get(policy.server))
        signed = add_signatures(event, {policy.server: {POLICY_KEY_ID: signature}})
        if not is_recommended(signed, policy):
            raise UnableToRetrieve("The policy server of the room signs with another key")
        return signed


def _signature(told: Any) -> str:
    signature = told.get(POLICY_KEY_ID) if isinstance(told, dict) else None
    if not isinstance(signature, str):
        raise UnableToRetrieve("The policy server of the room did not sign the event")
    return signature
