"""Appending to rooms: the rows of a batch of events, one statement a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from homeserver.domain.events import StateKey
from homeserver.ports.database import Transaction
from homeserver.ports.rooms.events import FOREVER, OUTSIDE, EventAppend, SnapshotRow, StoredEvent
from storage.rooms.published_rooms import follow_published_rooms

_EVENT = """
INSERT INTO events (
    event_nid, event_id, room_nid, position, sub, type, state_key, sender, origin_server_ts, depth,
    state_position, replaces_nid, ordinal, room_highlight_ordinal, notifies, room_highlight,
    thread_root, device_id, txn_id, redacted_by, standing, pdu
) VALUES"""
# An outlier that finds its place in the timeline, or is judged after all.
_EVENT_CONFLICT = """
ON CONFLICT (event_nid) DO UPDATE SET
    position = excluded.position, sub = excluded.sub, state_position = excluded.state_position,
    replaces_nid = excluded.replaces_nid, ordinal = excluded.ordinal,
    room_highlight_ordinal = excluded.room_highlight_ordinal, notifies = excluded.notifies,
    room_highlight = excluded.room_highlight, thread_root = excluded.thread_root,
    standing = excluded.standing"""
MEMBERSHIP = """
INSERT INTO memberships (
    user_id, room_nid, membership, event_nid, position, sender, display_name, avatar_url,
    joined_position, ordinal, room_highlight_ordinal, forgotten
) VALUES"""
# joined_position and the ordinals are those of the last time the user came in; 0 for never.
_KEEPS = "excluded.membership <> 'join' OR memberships.membership = 'join'"
MEMBERSHIP_CONFLICT = f"""
ON CONFLICT (user_id, room_nid) DO UPDATE SET
    joined_position = CASE WHEN {_KEEPS}
        THEN memberships.joined_position ELSE excluded.joined_position END,
    ordinal = CASE WHEN {_KEEPS} THEN memberships.ordinal ELSE excluded.ordinal END,
    room_highlight_ordinal = CASE WHEN {_KEEPS}
        THEN memberships.room_highlight_ordinal ELSE excluded.room_highlight_ordinal END,
    membership = excluded.membership, event_nid = excluded.event_nid,
    position = excluded.position, sender = excluded.sender,
    display_name = excluded.display_name, avatar_url = excluded.avatar_url,
    forgotten = excluded.forgotten"""
_END_INTERVAL = "UPDATE state_intervals SET to_position = v.column4 FROM (VALUES"
_END_INTERVAL_WHERE = f""") AS v
WHERE state_intervals.room_nid = v.column1 AND state_intervals.type = v.column2
    AND state_intervals.state_key = v.column3 AND state_intervals.to_position = {FOREVER}"""


class RoomLogStore:
    """See :class:`homeserver.log.log.LogStore`."""

    def raise_high_water(self, tx: Transaction, marks: Sequence[tuple[int, int]]) -> None:
        tx.insert(
            "INSERT INTO shards (shard, high_water) VALUES",
            marks,
            "ON CONFLICT (shard) DO UPDATE SET high_water = excluded.high_water",
        )

    def append_events(self, tx: Transaction, appends: Sequence[EventAppend]) -> None:
        _insert_rooms(tx, appends)
        insert_events(tx, [a.stored for a in appends if not a.was_known])
        replace_events(tx, [a.stored for a in appends if a.was_known])
        insert_snapshots(tx, [a.snapshot for a in appends if a.snapshot is not None])
        _insert_state(tx, appends)
        _insert_memberships(tx, appends)
        tx.insert(
            "INSERT INTO relations (event_nid, room_nid, target_event_id, rel_type, type, sender,"
            " aggregation_key, position, sub) VALUES",
            _relation_rows(appends),
        )
        tx.insert(
            "INSERT INTO notifications (user_id, room_nid, position, thread_root, notify,"
            " highlight) VALUES",
            _notification_rows(appends),
        )
        _redact(tx, appends)
        _set_extremities(tx, appends)
        _note_gaps(tx, appends)
        _note_resolved(tx, appends)
        follow_published_rooms(tx, appends)


def insert_events(tx: Transaction, events: Iterable[StoredEvent]) -> None:
    """Store new events, for other stores to use within their work."""
    tx.insert(_EVENT, map(_event_row, events))


def replace_events(tx: Transaction, events: Iterable[StoredEvent]) -> None:
    """Give known events their place or their standing."""
    tx.insert(_EVENT, map(_event_row, events), _EVENT_CONFLICT)


def insert_snapshots(tx: Transaction, snapshots: Iterable[SnapshotRow]) -> None:
    """Store states that the room's own history never had."""
    tx.insert(
        "INSERT INTO state_snapshots (snapshot_nid, room_nid, base, depth, delta) VALUES",
        [
            (
                row.nid,
                row.room_nid,
                row.state.base,
                row.depth,
                json.dumps([[*key, nid] for key, nid in row.state.delta.items()]),
            )
            for row in snapshots
        ],
        "ON CONFLICT (snapshot_nid) DO UPDATE SET base = excluded.base, depth = excluded.depth,"
        " delta = excluded.delta",
    )


def storable_text(value: str | None) -> str | None:
    """Text out of an event's content, which may hold what PostgreSQL does not store."""
    return value.replace("\0", "\ufffd") if value is not None and "\0" in value else value


def _insert_rooms(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    tx.insert(
        "INSERT INTO rooms (room_nid, room_id, version, shard, published, created_ts) VALUES",
        [
            (
                append.stored.room_nid,
                append.new_room.room_id,
                append.new_room.version,
                append.new_room.shard,
                append.new_room.published,
                append.new_room.created_ts,
            )
            for append in appends
            if append.new_room is not None
        ],
    )


def _event_row(stored: StoredEvent) -> tuple[object, ...]:
    event = stored.event
    return (
        stored.nid,
        event.event_id,
        stored.room_nid,
        stored.position if stored.position != OUTSIDE else None,
        stored.sub,
        event.type,
        event.state_key,
        event.sender,
        event.origin_server_ts,
        event.depth,
        stored.state_position,
        stored.replaces_nid,
        stored.ordinal,
        stored.room_highlight_ordinal,
        stored.notifies,
        stored.room_highlight,
        storable_text(stored.thread_root),
        stored.device_id,
        stored.txn_id,
        stored.redacted_by,
        int(stored.standing),
        event.pdu,
    )


def _insert_state(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    """End the intervals of places of the state that the batch changes, and begin new ones."""
    begun: dict[tuple[int, str, str], list[object]] = {}
    rows: list[list[object]] = []
    ended: dict[tuple[int, str, str], int] = {}
    for append in appends:
        room_nid, position = append.stored.room_nid, append.stored.position
        for (type, state_key), nid, may_be_held in _state_changes(append):
            key = (room_nid, type, state_key)
            earlier = begun.pop(key, None)
            if earlier is not None:
                earlier[5] = position
            elif may_be_held:
                ended.setdefault(key, position)
            if nid is not None:
                begun[key] = [*key, nid, position, FOREVER]
                rows.append(begun[key])
    tx.insert(
        _END_INTERVAL,
        [(*key, position) for key, position in ended.items()],
        _END_INTERVAL_WHERE,
    )
    tx.insert(
        "INSERT INTO state_intervals (room_nid, type, state_key, event_nid, from_position,"
        " to_position) VALUES",
        rows,
    )


def _state_changes(append: EventAppend) -> Iterator[tuple[StateKey, int | None, bool]]:
    """The places of the state that change with an event, the numbers of what they hold then, and
    whether they may have held something before."""
    stored, event = append.stored, append.stored.event
    if event.state_key is not None and append.takes_effect:
        yield event.state_map_key(), stored.nid, stored.replaces_nid is not None
    for change in append.resolved:
        yield change.key, change.stored.nid if change.stored is not None else None, True


def _insert_memberships(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    # One row for each user and room: a statement must not touch a row twice.
    rows: dict[tuple[str, int], tuple[object, ...]] = {}
    for append in appends:
        stored = append.stored
        for change, nid in append.memberships():
            key = (change.user_id, stored.room_nid)
            joined: tuple[object, ...] = (0, 0, 0)
            if change.membership == "join":
                joined = (stored.position, stored.ordinal, stored.room_highlight_ordinal)
            earlier = rows.get(key)
            if earlier is not None and (change.membership != "join" or earlier[2] == "join"):
                joined = earlier[8:11]
            rows[key] = (
                *key,
                change.membership,
                nid,
                stored.position,
                change.sender,
                storable_text(change.display_name),
                storable_text(change.avatar_url),
                *joined,
                False,
            )
    tx.insert(MEMBERSHIP, rows.values(), MEMBERSHIP_CONFLICT)


def _relation_rows(appends: Sequence[EventAppend]) -> Iterable[tuple[object, ...]]:
    for append in appends:
        stored, relation = append.stored, append.relation
        if relation is not None:
            yield (
                stored.nid,
                stored.room_nid,
                storable_text(relation.target_event_id),
                storable_text(relation.rel_type),
                stored.event.type,
                stored.event.sender,
                storable_text(relation.aggregation_key),
                stored.position,
                stored.sub,
            )


def _notification_rows(appends: Sequence[EventAppend]) -> Iterable[tuple[object, ...]]:
    for append in appends:
        stored = append.stored
        for row in append.notifications:
            yield (
                row.user_id,
                stored.room_nid,
                stored.position,
                storable_text(stored.thread_root),
                row.notify,
                row.highlight,
            )


def _redact(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    redactions = [a.redaction for a in appends if a.redaction is not None]
    if not redactions:
        return
    tx.insert(
        "UPDATE events SET redacted_by = v.column2, pdu = v.column3 FROM (VALUES",
        [(r.target_nid, r.redacted_by, r.pdu) for r in redactions],
        ") AS v WHERE events.event_nid = v.column1",
    )
    tx.insert(
        "UPDATE memberships SET display_name = NULL, avatar_url = NULL FROM (VALUES",
        [
            (append.redaction.member, append.stored.room_nid, append.redaction.target_nid)
            for append in appends
            if append.redaction is not None and append.redaction.member is not None
        ],
        ") AS v WHERE memberships.user_id = v.column1 AND memberships.room_nid = v.column2"
        " AND memberships.event_nid = v.column3",
    )
    # A redacted event relates to nothing any more.
    related = [r.target_nid for r in redactions if r.was_related]
    if related:
        tx.execute("DELETE FROM relations WHERE event_nid = ANY(?)", (related,))


def _set_extremities(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    latest = {a.stored.room_nid: a.extremities for a in appends if a.extremities is not None}
    if latest:
        tx.execute("DELETE FROM forward_extremities WHERE room_nid = ANY(?)", (list(latest),))
        tx.insert(
            "INSERT INTO forward_extremities (room_nid, event_nid) VALUES",
            [(room, nid) for room, nids in latest.items() if len(nids) > 1 for nid in nids],
        )


def _note_gaps(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    tx.insert(
        "INSERT INTO room_gaps (room_nid, position, sub, event_ids) VALUES",
        [
            (a.stored.room_nid, a.stored.position, a.stored.sub, json.dumps(a.missing))
            for a in appends
            if a.missing
        ],
    )


def _note_resolved(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    latest = {a.stored.room_nid: a.stored.position for a in appends if a.changes_state_otherwise}
    tx.insert(
        "INSERT INTO resolved_states (room_nid, position) VALUES",
        latest.items(),
        "ON CONFLICT (room_nid) DO UPDATE SET position = excluded.position",
    )
