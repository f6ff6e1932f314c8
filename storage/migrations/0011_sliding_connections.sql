-- What the connections of simplified sliding sync have been sent, so that they go on after a
-- restart. state says which rooms, how much of each, and of which answer that is so; secret is the
-- key under which positions of the connection are authentic. A row may be gone at any time: its
-- client begins again.
CREATE TABLE sliding_connections (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    conn_id TEXT NOT NULL,
    secret BYTEA NOT NULL,
    state BYTEA NOT NULL,
    used_ms BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, conn_id)
);
CREATE INDEX sliding_connections_by_use ON sliding_connections (used_ms);
