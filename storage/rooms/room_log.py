"""Appending to rooms: the rows of a batch of events, one statement a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homeserver.ports.database import Transaction
from homeserver.ports.rooms.events import FOREVER, EventAppend
from storage.rooms.published_rooms import follow_published_rooms

_EVENT = """
INSERT INTO events (
    event_nid, event_id, room_nid, position, sub, type, state_key, sender, origin_server_ts, depth,
    state_position, replaces_nid, ordinal, room_highlight_ordinal, notifies, room_highlight,
    thread_root, device_id, txn_id, redacted_by, pdu
) VALUES"""
_MEMBERSHIP = """
INSERT INTO memberships (
    user_id, room_nid, membership, event_nid, position, sender, display_name, avatar_url,
    joined_position, ordinal, room_highlight_ordinal, forgotten
) VALUES"""
# joined_position and the ordinals are those of the last time the user came in; 0 for never.
_KEEPS = "excluded.membership <> 'join' OR memberships.membership = 'join'"
_MEMBERSHIP_CONFLICT = f"""
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
        tx.insert(_EVENT, map(_event_row, appends))
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
        follow_published_rooms(tx, appends)


def _text(value: str | None) -> str | None:
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


def _event_row(append: EventAppend) -> tuple[object, ...]:
    stored, event = append.stored, append.stored.event
    return (
        stored.nid,
        event.event_id,
        stored.room_nid,
        stored.position,
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
        _text(stored.thread_root),
        stored.device_id,
        stored.txn_id,
        stored.redacted_by,
        event.pdu,
    )


def _insert_state(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    """End the intervals that the batch's state events replace, and begin theirs."""
    begun: dict[tuple[int, str, str], list[object]] = {}
    rows: list[list[object]] = []
    ended: list[tuple[object, ...]] = []
    for append in appends:
        stored, event = append.stored, append.stored.event
        if event.state_key is None:
            continue
        key = (stored.room_nid, event.type, event.state_key)
        earlier = begun.get(key)
        if earlier is not None:
            earlier[5] = stored.position
        elif stored.replaces_nid is not None:
            ended.append((*key, stored.position))
        begun[key] = [*key, stored.nid, stored.position, FOREVER]
        rows.append(begun[key])
    tx.insert(_END_INTERVAL, ended, _END_INTERVAL_WHERE)
    tx.insert(
        "INSERT INTO state_intervals (room_nid, type, state_key, event_nid, from_position,"
        " to_position) VALUES",
        rows,
    )


def _insert_memberships(tx: Transaction, appends: Sequence[EventAppend]) -> None:
    # One row for each user and room: a statement must not touch a row twice.
    rows: dict[tuple[str, int], tuple[object, ...]] = {}
    for append in appends:
        change, stored = append.membership, append.stored
        if change is None:
            continue
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
            stored.nid,
            stored.position,
            change.sender,
            _text(change.display_name),
            _text(change.avatar_url),
            *joined,
            False,
        )
    tx.insert(_MEMBERSHIP, rows.values(), _MEMBERSHIP_CONFLICT)


def _relation_rows(appends: Sequence[EventAppend]) -> Iterable[tuple[object, ...]]:
    for append in appends:
        stored, relation = append.stored, append.relation
        if relation is not None:
            yield (
                stored.nid,
                stored.room_nid,
                _text(relation.target_event_id),
                _text(relation.rel_type),
                stored.event.type,
                stored.event.sender,
                _text(relation.aggregation_key),
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
                _text(stored.thread_root),
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
