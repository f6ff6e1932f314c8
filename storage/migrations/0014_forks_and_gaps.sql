-- What rooms need that other servers write to as well.

-- 0: in the timeline. 1: known, its place is not (an outlier). 2: rejected. 3: soft-failed.
-- Only the first kind has a position.
ALTER TABLE events ADD COLUMN standing SMALLINT NOT NULL DEFAULT 0;

-- The state before an event where the room's own history never was in that state: it differs by
-- delta, [[type, state key, event_nid or null], ...], from its base. A base of 0 or more is a position
-- of the room's history, one below is minus the number of another snapshot. depth counts the
-- snapshots below this one. events.state_position refers to a snapshot in the same way.
CREATE TABLE state_snapshots (
    snapshot_nid BIGINT PRIMARY KEY,
    room_nid BIGINT NOT NULL,
    base BIGINT NOT NULL,
    depth SMALLINT NOT NULL,
    delta TEXT NOT NULL
);
CREATE INDEX state_snapshots_by_room ON state_snapshots (room_nid);

-- Before (position, sub) the timeline lacks events; event_ids are those that the event at this place
-- follows and this server does not have, a JSON array.
CREATE TABLE room_gaps (
    room_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    sub INTEGER NOT NULL,
    event_ids TEXT NOT NULL,
    PRIMARY KEY (room_nid, position, sub)
);

-- The last position at which the current state changed otherwise than by the event there.
CREATE TABLE resolved_states (
    room_nid BIGINT PRIMARY KEY,
    position BIGINT NOT NULL
);

-- Redactions that came before the events they redact.
CREATE TABLE early_redactions (
    target_event_id TEXT NOT NULL,
    redaction_event_id TEXT NOT NULL,
    PRIMARY KEY (target_event_id, redaction_event_id)
);
