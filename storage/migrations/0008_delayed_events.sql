-- Events that users have asked to be sent later. content is a JSON object. An event is due at
-- send_ts, that is since_ts + delay_ms. txn_id is that of the request, if it had one.
-- finalised_ts is set once it was sent (event_id), refused (error, a JSON object) or cancelled;
-- by_action: because somebody asked for that, not because it was due.
CREATE TABLE delayed_events (
    delay_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    txn_id TEXT,
    room_id TEXT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT,
    content BYTEA NOT NULL,
    delay_ms BIGINT NOT NULL,
    since_ts BIGINT NOT NULL,
    send_ts BIGINT NOT NULL,
    finalised_ts BIGINT,
    event_id TEXT,
    error BYTEA,
    by_action BOOLEAN NOT NULL
);
CREATE INDEX delayed_events_due ON delayed_events (send_ts) WHERE finalised_ts IS NULL;
CREATE INDEX delayed_events_by_user ON delayed_events (user_id, send_ts, delay_id);
CREATE INDEX delayed_events_finalised ON delayed_events (finalised_ts)
    WHERE finalised_ts IS NOT NULL;
CREATE INDEX delayed_events_finalised_by_user ON delayed_events (user_id, finalised_ts)
    WHERE finalised_ts IS NOT NULL;
CREATE UNIQUE INDEX delayed_events_by_transaction
    ON delayed_events (user_id, device_id, room_id, type, txn_id) WHERE txn_id IS NOT NULL;
