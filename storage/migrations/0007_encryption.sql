-- End-to-end encryption: messages between devices, their keys, and backups of room keys.

-- Messages that the device has not acknowledged. position is that of the recipient's shard; a device
-- gets at most one message at each. event is the JSON that the device is sent.
CREATE TABLE to_device_messages (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    event BYTEA NOT NULL,
    PRIMARY KEY (user_id, device_id, position)
);

-- For answers that did not hold every message up to their token: how far they went.
CREATE TABLE to_device_cursors (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    token_position BIGINT NOT NULL,
    delivered_position BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, token_position)
);

-- Requests to send messages whose part for the recipients of one shard has been carried out.
CREATE TABLE to_device_transactions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    txn_id TEXT NOT NULL,
    type TEXT NOT NULL,
    shard INTEGER NOT NULL,
    created_ts BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, txn_id, type, shard)
);
CREATE INDEX to_device_transactions_by_time ON to_device_transactions (created_ts);

-- keys is the signed JSON object of the device, with the signatures that its owner made later.
CREATE TABLE device_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys BYTEA NOT NULL,
    PRIMARY KEY (user_id, device_id)
);

-- position: when the key was uploaded, for keys are claimed in that order.
CREATE TABLE one_time_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    key BYTEA NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm, key_id)
);
CREATE INDEX one_time_keys_by_age ON one_time_keys (user_id, device_id, algorithm, position, key_id);

-- Keys that were handed out lately: an upload that is repeated must not bring them back.
CREATE TABLE claimed_one_time_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    claimed_ts BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm, key_id)
);

CREATE TABLE fallback_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key BYTEA NOT NULL,
    used BOOLEAN NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm)
);

-- usage is master, self_signing or user_signing; key is the signed JSON object.
CREATE TABLE cross_signing_keys (
    user_id TEXT NOT NULL,
    usage TEXT NOT NULL,
    public_key TEXT NOT NULL,
    key BYTEA NOT NULL,
    PRIMARY KEY (user_id, usage)
);

-- Signatures of users on the master keys of others, which only the signer sees. position is that of
-- the signer's shard.
CREATE TABLE user_signatures (
    signer TEXT NOT NULL,
    user_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    signing_key_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (signer, user_id, public_key, signing_key_id)
);
CREATE INDEX user_signatures_by_position ON user_signatures (signer, position);

-- The newest change of each user's device and cross-signing keys.
CREATE TABLE device_list_changes (
    user_id TEXT PRIMARY KEY,
    shard INTEGER NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX device_list_changes_by_position ON device_list_changes (shard, position);
CREATE INDEX memberships_by_position ON memberships (room_nid, position);

-- Versions of key backups; the number of a deleted one is not used again. key_count and etag tell of
-- the keys in it: how many there are, and how often they changed.
CREATE TABLE key_backups (
    user_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data BYTEA NOT NULL,
    key_count BIGINT NOT NULL,
    etag BIGINT NOT NULL,
    is_deleted BOOLEAN NOT NULL,
    PRIMARY KEY (user_id, version)
);

CREATE TABLE backed_up_keys (
    user_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    first_message_index BIGINT NOT NULL,
    forwarded_count BIGINT NOT NULL,
    is_verified BOOLEAN NOT NULL,
    session_data BYTEA NOT NULL,
    PRIMARY KEY (user_id, version, room_id, session_id)
);

-- The dehydrated device of a user, who has at most one. Its keys are with those of other devices.
CREATE TABLE dehydrated_devices (
    user_id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    device_data BYTEA NOT NULL
);
