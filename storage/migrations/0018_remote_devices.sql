-- The devices of users of other servers, as far as their servers tell us of changes.

-- stream_id is the last change that is in the list. is_valid: none is known to be missing.
CREATE TABLE remote_device_lists (
    user_id TEXT PRIMARY KEY,
    stream_id BIGINT NOT NULL,
    is_valid BOOLEAN NOT NULL
);

-- keys is the signed JSON object of the device.
CREATE TABLE remote_devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys BYTEA NOT NULL,
    display_name TEXT,
    PRIMARY KEY (user_id, device_id)
);

-- usage is master or self_signing.
CREATE TABLE remote_cross_signing_keys (
    user_id TEXT NOT NULL,
    usage TEXT NOT NULL,
    key BYTEA NOT NULL,
    PRIMARY KEY (user_id, usage)
);
