-- Names of rooms on this server, its directory of published rooms, and reports of content.
CREATE TABLE room_aliases (
    alias TEXT PRIMARY KEY,
    room_nid BIGINT NOT NULL,
    creator TEXT NOT NULL,
    created_ts BIGINT NOT NULL
);
CREATE INDEX room_aliases_by_room ON room_aliases (room_nid);

-- What the directory shows of a published room (JSON), and what it is searched and sorted by.
-- Written together with the state that it is taken from.
CREATE TABLE published_rooms (
    room_nid BIGINT PRIMARY KEY,
    joined_members BIGINT NOT NULL,
    room_type TEXT NOT NULL,
    search_text TEXT NOT NULL,
    summary BYTEA NOT NULL
);
CREATE INDEX published_rooms_by_size ON published_rooms (joined_members, room_nid);

-- event_id is null in a report of a whole room, room_id too in a report of a user.
CREATE TABLE reports (
    report_id TEXT PRIMARY KEY,
    reporter TEXT NOT NULL,
    room_id TEXT,
    event_id TEXT,
    user_id TEXT,
    reason TEXT NOT NULL,
    received_ts BIGINT NOT NULL
);
CREATE INDEX reports_by_time ON reports (received_ts);
