-- Servers that could not be reached lately; those that can be have no row. failures counts those in
-- a row, retry_at_ts is when the server may be tried again.
CREATE TABLE failing_destinations (
    destination TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    failing_since_ts BIGINT NOT NULL,
    last_failure_ts BIGINT NOT NULL,
    retry_at_ts BIGINT NOT NULL
);
