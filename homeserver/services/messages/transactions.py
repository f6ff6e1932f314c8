"""Requests that may be repeated: the same transaction gets the same event.

Client-server API, "Transaction identifiers".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from homeserver.domain.identifiers import EventId
from homeserver.domain.requester import Requester
from homeserver.ports.database import UniqueViolation
from homeserver.ports.rooms.events import StoredEvent
from homeserver.rooms.actor import RoomActor
from homeserver.rooms.event_cache import EventCache

# Of sessions without a device. No device has this name.
NO_DEVICE = ""


async def send_once(
    actor: RoomActor,
    events: EventCache,
    requester: Requester,
    transaction: tuple[str, str],
    send: Callable[[], Awaitable[StoredEvent]],
) -> EventId:
    """The event of a transaction: of the request that this one repeats, else what ``send`` sends.

    ``transaction`` is the transaction ID and the type of the event; ``send`` appends an event that
    carries the ID and the requester's device.
    """
    txn_id, event_type = transaction
    device_id = requester.device_id or NO_DEVICE
    key = (requester.user_id, device_id, txn_id, event_type)
    sent = await actor.transactions.event_of(key)
    if sent is not None:
        return sent
    event_id: EventId | None = None
    actor.transactions.start(key)
    try:
        event_id = (await send()).event.event_id
    except UniqueViolation:
        # The ID was used longer ago than is remembered.
        event_id = await events.store.by_transaction(
            actor.view.nid, requester.user_id, device_id, txn_id, event_type
        )
        if event_id is None:
            raise
    finally:
        actor.transactions.finish(key, event_id)
    return event_id
