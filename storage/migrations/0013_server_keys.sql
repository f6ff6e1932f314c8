-- Keys of other servers.

-- What servers published, signed by themselves, for those who ask us as a notary.
CREATE TABLE server_key_responses (
    server_name TEXT NOT NULL,
    response_hash TEXT NOT NULL,
    fetched_ts BIGINT NOT NULL,
    valid_until_ts BIGINT NOT NULL,
    response BYTEA NOT NULL,
    PRIMARY KEY (server_name, response_hash)
);

-- The keys in these responses, each as it was said last. from_origin: by the server itself.
CREATE TABLE server_keys (
    server_name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    verify_key TEXT NOT NULL,
    valid_until_ts BIGINT NOT NULL,
    from_origin BOOLEAN NOT NULL,
    response_hash TEXT NOT NULL,
    PRIMARY KEY (server_name, key_id)
);
