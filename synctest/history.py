"""A room's history as /messages tells it."""

from __future__ import annotations

from synctest.client import Client
from synctest.connection import JsonObject
from synctest.timeline import check_same_timeline


async def whole_history(client: Client, room_id: str, *, page_size: int = 100) -> list[JsonObject]:
    """All events of the room that the client may see, oldest first.

    Read from the end back and from the beginning on; raises `ScenarioFailed` when the two
    differ.
    """
    backwards = await _pages(client, room_id, "b", page_size)
    forwards = await _pages(client, room_id, "f", page_size)
    backwards.reverse()
    check_same_timeline("/messages?dir=b", backwards, "/messages?dir=f", forwards)
    return backwards


async def _pages(client: Client, room_id: str, direction: str, page_size: int) -> list[JsonObject]:
    events: list[JsonObject] = []
    start: str | None = None
    while True:
        page = await client.messages(room_id, direction=direction, start=start, limit=page_size)
        events += page["chunk"]
        start = page.get("end")
        # Forwards, a server may always offer to look again for what is newer.
        if start is None or (direction == "f" and not page["chunk"]):
            return events
