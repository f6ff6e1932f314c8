-- Servers that operators block while the server runs, in lower case; the configuration has a deny
-- list of its own.
CREATE TABLE blocked_servers (
    server_name TEXT PRIMARY KEY,
    blocked_ts BIGINT NOT NULL
);
