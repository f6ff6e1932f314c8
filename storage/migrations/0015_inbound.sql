-- What other servers sent, until it is judged. arrival gives the order. attempts counts how
-- often what an event refers to could not be had, retry_after_ts is when it is tried next.
CREATE TABLE staged_pdus (
    arrival BIGINT PRIMARY KEY,
    origin TEXT NOT NULL,
    room_nid BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    pdu BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    retry_after_ts BIGINT NOT NULL
);

-- The last transaction of each server that brought events, and what it was answered: a server sends
-- none before the one before was answered.
CREATE TABLE received_transactions (
    origin TEXT PRIMARY KEY,
    txn_id TEXT NOT NULL,
    answer BYTEA NOT NULL
);
