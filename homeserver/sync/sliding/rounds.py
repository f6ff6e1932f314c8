"""A sliding sync as it is being answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from homeserver.domain.identifiers import DeviceId
from homeserver.log.tokens import SyncToken
from homeserver.ports.rooms.rooms import UserRoom
from homeserver.sync.session import Session
from homeserver.sync.sliding.requests import SlidingRequest


@attrs.frozen(slots=True)
class SlidingRound:
    """One look at what is new on a connection, from one token to another.

    ``since`` is None when the connection begins. ``told`` are the rooms in this answer, by number;
    those in ``initial`` are told from scratch, so extensions tell all they have for them. ``lists``
    are the rooms that match each list and its ranges now, ``subscribed`` those that are subscribed
    to and that the user may see. ``sent`` are all rooms that were ever sent on the connection,
    those in this answer included. ``expanded`` are rooms in this answer whose timeline goes further
    back than what was told of it before. ``returned`` are rooms that came back into the rules and
    of which the client knows less than up to ``since``: the position up to which it does.
    """

    session: Session
    device_id: DeviceId | None
    request: SlidingRequest
    since: SyncToken | None
    until: SyncToken
    told: Mapping[int, UserRoom]
    initial: frozenset[int]
    lists: Mapping[str, Collection[int]]
    subscribed: Collection[int]
    sent: Collection[int]
    expanded: frozenset[int] = frozenset()
    returned: Mapping[int, int] = {}
