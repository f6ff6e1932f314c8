"""Rooms written into the tables event by event, at whatever places a test wants.

room = RoomRows(transactions)
await room.begins()                                  # Alice makes it and is in
hello = await room.says(ALICE, "hello")
late = await room.says(BOB, "late", position=hello.position, sub=-1)
"""

from __future__ import annotations

from typing import Any

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, UserId
from homeserver.domain.redaction import redacted_event
from homeserver.domain.relations import relation_of, thread_root_of
from homeserver.ports.database import Transactions
from homeserver.ports.rooms.events import (
    EventAppend,
    MembershipRow,
    NewRoom,
    NotificationRow,
    RedactionRow,
    RelationRow,
    StoredEvent,
    make_nid,
)
from homeserver.ports.rooms.receipts import ReceiptRow
from storage.rooms.receipts import SqlReceiptStore
from storage.rooms.room_log import RoomLogStore
from tests.homeserver.domain.event_factory import ALICE, Room


class RoomRows:
    """One room. Positions are handed out by ``clock``, which rooms may share."""

    def __init__(self, transactions: Transactions, clock: list[int] | None = None) -> None:
        self._transactions = transactions
        self._clock = clock if clock is not None else [0]
        self.nid = make_nid(self.next_position(), 0)
        # Its ID is the hash of this.
        self._branch = Room("12", ALICE, number=self.nid).start()
        self._ordinal = 0
        self._highlights = 0
        self._held: dict[tuple[str, str], int] = {}

    def next_position(self) -> int:
        self._clock[0] += 1
        return self._clock[0]

    @property
    def room_id(self) -> str:
        return self._branch.room.create.room_id

    async def begins(self) -> None:
        """The room is made, and Alice comes in."""
        create = self._branch.room.create
        new_room = NewRoom(create.room_id, "12", 0, False, 1)
        await self.write(self.append(create, new_room=new_room))
        await self.membership(ALICE, "join")

    async def membership(
        self, user_id: UserId, membership: str, name: str | None = None, **where: Any
    ) -> StoredEvent:
        """A user changes their membership."""
        content: JsonObject = {"membership": membership}
        if name is not None:
            content["displayname"] = name
        event = self._branch.send("m.room.member", user_id, content, user_id)
        row = MembershipRow(user_id, membership, user_id, name, None)
        return await self.write(self.append(event, membership=row, **where))

    async def sets(self, type: str, content: JsonObject, **where: Any) -> StoredEvent:
        """Alice sets state."""
        return await self.write(self.append(self._branch.send(type, ALICE, content, ""), **where))

    async def says(
        self,
        user_id: UserId,
        body: str = "hello",
        *,
        type: str = "m.room.message",
        ts: int | None = None,
        relates_to: JsonObject | None = None,
        **where: Any,
    ) -> StoredEvent:
        """A user says something."""
        content: JsonObject = {"body": body}
        if relates_to is not None:
            content["m.relates_to"] = relates_to
        event = self._branch.send(type, user_id, content, ts=ts)
        return await self.write(self.append(event, **where))

    async def redacts(self, target: StoredEvent) -> None:
        """Alice redacts an event."""
        event = self._branch.send("m.room.redaction", ALICE, {"redacts": target.event.event_id})
        redaction = RedactionRow(
            target.nid,
            redacted_event(target.event).pdu,
            event.event_id,
            relation_of(target.event.content) is not None,
            None,
        )
        await self.write(self.append(event, redaction=redaction))

    async def reads(
        self,
        user_id: UserId,
        event: StoredEvent,
        *,
        thread: str = "",
        receipt_type: str = "m.read",
    ) -> ReceiptRow:
        """A user moves a receipt."""
        receipt = ReceiptRow(
            self.nid,
            user_id,
            receipt_type,
            thread,
            event.event.event_id,
            1234,
            self.next_position(),
            event.position,
            event.sub,
            event.ordinal,
            event.room_highlight_ordinal,
        )
        await self._transactions.write(SqlReceiptStore().put, [receipt])
        return receipt

    def append(
        self,
        event: Event,
        *,
        position: int | None = None,
        sub: int = 0,
        notifies: bool = False,
        room_highlight: bool = False,
        notifications: tuple[NotificationRow, ...] = (),
        device_id: str | None = None,
        txn_id: str | None = None,
        **rows: Any,
    ) -> EventAppend:
        """An event as the room actor hands it to the log."""
        born = self.next_position()
        if position is None:
            position = born
        self._ordinal += notifies
        self._highlights += room_highlight
        replaces = None
        if event.state_key is not None:
            replaces = self._held.get(event.state_map_key())
            self._held[event.state_map_key()] = make_nid(born, 0)
        relation = relation_of(event.content)
        relation_row = None
        if relation is not None and relation.rel_type and relation.target_event_id:
            relation_row = RelationRow(relation.target_event_id, relation.rel_type, relation.key)
        stored = StoredEvent(
            event=event,
            nid=make_nid(born, 0),
            room_nid=self.nid,
            position=position,
            sub=sub,
            state_position=position - 1,
            replaces_nid=replaces,
            ordinal=self._ordinal,
            room_highlight_ordinal=self._highlights,
            notifies=notifies,
            room_highlight=room_highlight,
            thread_root=thread_root_of(event.content),
            device_id=device_id,
            txn_id=txn_id,
            redacted_by=None,
        )
        return EventAppend(stored, relation=relation_row, notifications=notifications, **rows)

    async def write(self, *appends: EventAppend) -> StoredEvent:
        """Write events as one batch; the last of them."""
        await self._transactions.write(RoomLogStore().append_events, appends)
        return appends[-1].stored

    def make(self, user_id: UserId, type: str, content: JsonObject, state_key: str | None) -> Event:
        """An event that is not written yet."""
        return self._branch.send(type, user_id, content, state_key)


def ids(events: list[StoredEvent]) -> list[EventId]:
    """The IDs of events."""
    return [event.event.event_id for event in events]
