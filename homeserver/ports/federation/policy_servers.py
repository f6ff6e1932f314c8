"""What sending and receiving events asks of the federation: a policy server's opinion."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.events import Event
from homeserver.domain.policy_servers import PolicyServer


class PolicyServers(Protocol):
    """Servers that recommend events for rooms."""

    async def recommended(self, event: Event, policy: PolicyServer) -> Event:
        """An event with the signature of the room's policy server, asked for unless it is there.

        Raises the error of a policy server that refuses (Forbidden, mostly), and UnableToRetrieve
        when it does not answer or its signature is wrong: the event is not to be sent then, and
        soft-failed where it came from elsewhere.
        """
        ...
