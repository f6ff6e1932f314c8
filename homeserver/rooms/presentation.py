"""Events as one reader receives them: the encoded event, and what varies by reader beside it.

What varies goes into ``unsigned``: age, the previous content of state, why an event was redacted,
bundled relations, the reader's membership, and the transaction id for the device that sent it.
Client-server API, "Room event format", "Aggregations of child events".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import msgspec

from homeserver.domain.identifiers import EventId, RoomId, UserId
from homeserver.domain.relations import latest_replacement
from homeserver.ports.rooms.events import FOREVER, StoredEvent
from homeserver.ports.rooms.relations import Onlooker, Related, RelationStore, ThreadSummary
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import RoomView

encode = msgspec.json.Encoder().encode


@attrs.define(slots=True)
class Surroundings:
    """What goes into an event's ``unsigned`` besides itself."""

    previous: StoredEvent | None = None
    redaction: StoredEvent | None = None
    edit: StoredEvent | None = None
    references: list[EventId] = attrs.Factory(list)
    thread: tuple[ThreadSummary, StoredEvent, Surroundings] | None = None


ALONE = Surroundings()


@attrs.frozen(slots=True)
class Reader:
    """Who receives events; ``device_id`` None for what is shared between readers.

    What users in ``ignored`` did, and what came after the position ``until``, is not bundled.
    """

    user_id: UserId | None
    device_id: str | None
    ignored: frozenset[UserId] = frozenset()
    until: int = FOREVER


EVERYONE = Reader(None, None)


def event_json(
    stored: StoredEvent,
    now_ms: int,
    reader: Reader = EVERYONE,
    surroundings: Surroundings = ALONE,
    *,
    room_id: RoomId | None = None,
    membership: str | None = "join",
) -> bytes:
    """The client format of an event; with ``room_id`` outside of /sync."""
    event = stored.event
    unsigned = [b'"age":%d' % max(0, now_ms - event.origin_server_ts)]
    if membership is not None:
        unsigned.append(b'"membership":"%s"' % membership.encode())
    previous = surroundings.previous
    if previous is not None:
        unsigned.append(
            b'"prev_content":%s,"prev_sender":%s,"replaces_state":"%s"'
            % (
                previous.event.raw_content,
                encode(previous.event.sender),
                previous.event.event_id.encode(),
            )
        )
    if surroundings.redaction is not None:
        unsigned.append(
            b'"redacted_because":'
            + event_json(surroundings.redaction, now_ms, room_id=room_id, membership=None)
        )
    if (
        stored.txn_id is not None
        and reader.device_id is not None
        and stored.device_id == reader.device_id
        and event.sender == reader.user_id
    ):
        unsigned.append(b'"transaction_id":' + encode(stored.txn_id))
    elif stored.delay_id is not None and event.sender == reader.user_id:
        unsigned.append(b'"org.matrix.msc4140.delay_id":' + encode(stored.delay_id))
    relations = _relations(surroundings, now_ms, reader, room_id)
    if relations:
        unsigned.append(b'"m.relations":{%s}' % b",".join(relations))
    room = b',"room_id":"%s"' % room_id.encode() if room_id is not None else b""
    return b'%s%s,"unsigned":{%s}}' % (stored.client, room, b",".join(unsigned))


def _relations(
    surroundings: Surroundings, now_ms: int, reader: Reader, room_id: RoomId | None
) -> list[bytes]:
    parts = []
    if surroundings.edit is not None:
        parts.append(
            b'"m.replace":' + event_json(surroundings.edit, now_ms, reader, room_id=room_id)
        )
    if surroundings.references:
        chunk = [{"event_id": event_id} for event_id in surroundings.references]
        parts.append(b'"m.reference":' + encode({"chunk": chunk}))
    if surroundings.thread is not None:
        summary, latest, around_latest = surroundings.thread
        parts.append(
            b'"m.thread":{"latest_event":%s,"count":%d,"current_user_participated":%s}'
            % (
                event_json(latest, now_ms, reader, around_latest, room_id=room_id),
                summary.count,
                b"true" if summary.participated else b"false",
            )
        )
    return parts


class Presenter:
    """Gathers what belongs beside events, for many events in a fixed number of queries."""

    def __init__(self, events: EventCache, relations: RelationStore) -> None:
        self._events = events
        self._relations = relations

    async def surroundings(
        self, events: Sequence[StoredEvent], reader: Reader, rooms: Iterable[RoomView] = ()
    ) -> dict[int, Surroundings]:
        """By event number; an event that has nothing beside it is not in the answer.

        Relations are bundled with events of ``rooms``, which tell without asking the database which
        of their newest events nothing relates to; with events of others none are.
        """
        found: dict[int, Surroundings] = {}

        def beside(nid: int) -> Surroundings:
            return found.setdefault(nid, Surroundings())

        previous = await self._events.fetch(
            e.replaces_nid for e in events if e.replaces_nid is not None
        )
        for event in events:
            if event.replaces_nid is not None and event.replaces_nid in previous:
                beside(event.nid).previous = previous[event.replaces_nid]
        redacted = {e.nid: e.redacted_by for e in events if e.redacted_by is not None}
        if redacted:
            redactions = await self._events.fetch_ids(list(set(redacted.values())))
            for nid, event_id in redacted.items():
                beside(nid).redaction = redactions.get(event_id)
        by_nid = {room.nid: room for room in rooms}
        candidates = {
            e.event.event_id: e
            for e in events
            if (room := by_nid.get(e.room_nid)) is not None and room.may_be_related(e)
        }
        if candidates:
            await self._bundle(candidates, reader, found)
        return found

    async def _bundle(
        self,
        candidates: Mapping[EventId, StoredEvent],
        reader: Reader,
        found: dict[int, Surroundings],
    ) -> None:
        assert reader.user_id is not None
        onlooker = Onlooker(reader.user_id, reader.ignored, reader.until)
        related = await self._relations.bundled(list(candidates), onlooker)
        threads = [t for t in related.threads if t.room_nid == candidates[t.root].room_nid]
        latest = await self._events.fetch(t.latest_nid for t in threads)
        around = {nid: Surroundings() for nid in latest}
        if latest:
            edits = await self._relations.bundled(
                [e.event.event_id for e in latest.values()], onlooker
            )
            by_id = {e.event.event_id: e for e in latest.values()}
            for target, edit in _valid_edits(edits, by_id):
                around[target.nid].edit = edit
        for target, edit in _valid_edits(related, candidates):
            found.setdefault(target.nid, Surroundings()).edit = edit
        for room_nid, target_id, event_id in related.references:
            target = candidates[target_id]
            if room_nid == target.room_nid:
                found.setdefault(target.nid, Surroundings()).references.append(event_id)
        for thread in threads:
            newest = latest.get(thread.latest_nid)
            if newest is not None:
                root = candidates[thread.root]
                if root.event.sender == reader.user_id:
                    thread = attrs.evolve(thread, participated=True)
                found.setdefault(root.nid, Surroundings()).thread = (
                    thread,
                    newest,
                    around[newest.nid],
                )

    async def present(
        self,
        events: Sequence[StoredEvent],
        now_ms: int,
        reader: Reader,
        room_id: RoomId | None,
        memberships: Mapping[int, str] | None = None,
        room: RoomView | None = None,
    ) -> list[bytes]:
        """The client format of many events for one reader.

        ``memberships`` gives the reader's membership at events where it was not "join"; without it
        events do not tell. For ``room`` see ``surroundings``.
        """
        around = await self.surroundings(events, reader, () if room is None else (room,))
        return [
            event_json(
                event,
                now_ms,
                reader,
                around.get(event.nid, ALONE),
                room_id=room_id,
                membership=memberships.get(event.nid, "join") if memberships is not None else None,
            )
            for event in events
        ]


def _valid_edits(
    related: Related, targets: Mapping[EventId, StoredEvent]
) -> Iterable[tuple[StoredEvent, StoredEvent]]:
    """(event, its newest valid edit), for the events that have one."""
    edits: dict[EventId, dict[EventId, StoredEvent]] = {}
    for target_id, edit in related.edits:
        edits.setdefault(target_id, {})[edit.event.event_id] = edit
    for target_id, candidates in edits.items():
        target = targets[target_id]
        if target.redacted_by is not None:
            continue  # what is redacted is not to be seen in its edits either
        newest = latest_replacement(target.event, [e.event for e in candidates.values()])
        if newest is not None:
            yield target, candidates[newest.event_id]
