-- The log, rooms, their events, and who is in them.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Positions below high_water may have been handed out; a restarted owner resumes above it.
CREATE TABLE shards (
    shard BIGINT PRIMARY KEY,
    high_water BIGINT NOT NULL
);

CREATE TABLE rooms (
    room_nid BIGINT PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    shard INTEGER NOT NULL,
    published BOOLEAN NOT NULL,
    created_ts BIGINT NOT NULL
);

-- (position, sub) is the place in the stitched order, null for an event outside the timeline.
-- state_position: the state before the event is the room's state history at this position.
-- ordinal and room_highlight_ordinal count the room's notifying events up to and with this one.
CREATE TABLE events (
    event_nid BIGINT PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    room_nid BIGINT NOT NULL,
    position BIGINT,
    sub INTEGER NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT,
    sender TEXT NOT NULL,
    origin_server_ts BIGINT NOT NULL,
    depth BIGINT NOT NULL,
    state_position BIGINT NOT NULL,
    replaces_nid BIGINT,
    ordinal BIGINT NOT NULL,
    room_highlight_ordinal BIGINT NOT NULL,
    notifies BOOLEAN NOT NULL,
    room_highlight BOOLEAN NOT NULL,
    thread_root TEXT,
    device_id TEXT,
    txn_id TEXT,
    redacted_by TEXT,
    pdu BYTEA NOT NULL
);
CREATE UNIQUE INDEX events_by_order ON events (room_nid, position, sub);
CREATE INDEX events_by_time ON events (room_nid, origin_server_ts);
CREATE INDEX events_notifying_by_sender ON events (room_nid, sender, position) WHERE notifies;
CREATE INDEX events_in_threads ON events (room_nid, thread_root, position)
    WHERE thread_root IS NOT NULL AND notifies;
CREATE UNIQUE INDEX events_by_transaction ON events (room_nid, sender, device_id, txn_id, type)
    WHERE txn_id IS NOT NULL;

-- Only while a room has several forward extremities; otherwise its newest event is the only one.
CREATE TABLE forward_extremities (
    room_nid BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,
    PRIMARY KEY (room_nid, event_nid)
);

-- The history of a room's state: event_nid held the place from (with) from_position until (without)
-- to_position, which is the largest integer while it still does.
CREATE TABLE state_intervals (
    room_nid BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event_nid BIGINT NOT NULL,
    from_position BIGINT NOT NULL,
    to_position BIGINT NOT NULL,
    PRIMARY KEY (room_nid, type, state_key, from_position)
);
CREATE INDEX state_intervals_by_start ON state_intervals (room_nid, from_position);
CREATE INDEX state_intervals_current ON state_intervals (room_nid)
    WHERE to_position = 9223372036854775807 AND type <> 'm.room.member';

-- The current membership of every user in every room; ordinals are those at the last join.
CREATE TABLE memberships (
    user_id TEXT NOT NULL,
    room_nid BIGINT NOT NULL,
    membership TEXT NOT NULL,
    event_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    sender TEXT NOT NULL,
    display_name TEXT,
    avatar_url TEXT,
    joined_position BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    room_highlight_ordinal BIGINT NOT NULL,
    forgotten BOOLEAN NOT NULL,
    PRIMARY KEY (user_id, room_nid)
);
CREATE INDEX memberships_by_room ON memberships (room_nid, membership);

CREATE TABLE relations (
    event_nid BIGINT PRIMARY KEY,
    room_nid BIGINT NOT NULL,
    target_event_id TEXT NOT NULL,
    rel_type TEXT NOT NULL,
    type TEXT NOT NULL,
    sender TEXT NOT NULL,
    aggregation_key TEXT,
    position BIGINT NOT NULL,
    sub INTEGER NOT NULL
);
CREATE INDEX relations_by_target ON relations (target_event_id, rel_type, position, sub);
CREATE INDEX relations_threads ON relations (room_nid, position) WHERE rel_type = 'm.thread';

-- What the rules of single users made of events that the room's ordinals do not count so for them:
-- events that mention them, and every event that notifies a user whose rules must be evaluated one
-- event at a time.
CREATE TABLE notifications (
    user_id TEXT NOT NULL,
    room_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    thread_root TEXT,
    notify BOOLEAN NOT NULL,
    highlight BOOLEAN NOT NULL,
    PRIMARY KEY (user_id, room_nid, position)
);

-- thread_id '' is an unthreaded receipt. read_* is the place of the event that was read.
CREATE TABLE receipts (
    room_nid BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    receipt_type TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    ts BIGINT NOT NULL,
    position BIGINT NOT NULL,
    read_position BIGINT NOT NULL,
    read_sub INTEGER NOT NULL,
    read_ordinal BIGINT NOT NULL,
    read_room_highlight_ordinal BIGINT NOT NULL,
    PRIMARY KEY (room_nid, user_id, receipt_type, thread_id)
);
CREATE INDEX receipts_by_position ON receipts (room_nid, position);
CREATE INDEX receipts_by_user ON receipts (user_id);
