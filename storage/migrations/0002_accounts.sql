-- Accounts of this server's users, their devices, and what proves who makes a request.

-- must_leave_rooms: the account was deactivated and its user has not left every room yet.
CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    password_hash TEXT,
    user_type TEXT,
    is_guest BOOLEAN NOT NULL,
    is_admin BOOLEAN NOT NULL,
    is_locked BOOLEAN NOT NULL,
    is_suspended BOOLEAN NOT NULL,
    is_deactivated BOOLEAN NOT NULL,
    is_erased BOOLEAN NOT NULL,
    must_leave_rooms BOOLEAN NOT NULL,
    created_ts BIGINT NOT NULL
);
CREATE INDEX users_leaving_rooms ON users (user_id) WHERE must_leave_rooms;

CREATE TABLE devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_ts BIGINT NOT NULL,
    last_seen_ts BIGINT,
    last_seen_ip TEXT,
    last_seen_user_agent TEXT,
    PRIMARY KEY (user_id, device_id)
);

-- Of a token only its SHA-256 is kept; token_id is the start of that.
-- refresh_token_id: the refresh token that was handed out together with the access token.
CREATE TABLE access_tokens (
    token_id BIGINT PRIMARY KEY,
    token_hash BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT,
    refresh_token_id BIGINT,
    created_ts BIGINT NOT NULL,
    expires_ts BIGINT
);
CREATE INDEX access_tokens_by_device ON access_tokens (user_id, device_id);
CREATE INDEX access_tokens_by_refresh_token ON access_tokens (refresh_token_id)
    WHERE refresh_token_id IS NOT NULL;

-- replaces_token_id: the refresh token that this one was exchanged for, which stays valid until
-- this one, or the access token that came with it, is used.
CREATE TABLE refresh_tokens (
    token_id BIGINT PRIMARY KEY,
    token_hash BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    replaces_token_id BIGINT,
    created_ts BIGINT NOT NULL,
    expires_ts BIGINT
);
CREATE INDEX refresh_tokens_by_device ON refresh_tokens (user_id, device_id);

CREATE TABLE login_tokens (
    token_id BIGINT PRIMARY KEY,
    token_hash BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    expires_ts BIGINT NOT NULL
);
CREATE INDEX login_tokens_by_user ON login_tokens (user_id);

-- uses_allowed and expires_ts are null for no limit.
CREATE TABLE registration_tokens (
    token TEXT PRIMARY KEY,
    uses_allowed BIGINT,
    completed BIGINT NOT NULL,
    created_ts BIGINT NOT NULL,
    expires_ts BIGINT
);

-- A use of a registration token that is set aside for whoever is registering with it: its pending
-- uses are the rows that have not expired.
CREATE TABLE registration_token_reservations (
    session_id TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    expires_ts BIGINT NOT NULL
);
CREATE INDEX registration_token_reservations_by_token ON registration_token_reservations (token);

-- User-interactive authentications with some stages completed and others to come. completed is a
-- JSON object from the type of a stage to what it proved, in the order of completion.
CREATE TABLE uia_sessions (
    session_id TEXT PRIMARY KEY,
    completed TEXT NOT NULL,
    expires_ts BIGINT NOT NULL
);
