-- What other servers are sent.

-- How far destinations have been sent what is theirs, as sync tokens. Destinations without a row have
-- what there was at the token of the row with the empty name; after it they may have more or not.
CREATE TABLE federation_cursors (
    destination TEXT PRIMARY KEY,
    token TEXT NOT NULL
);

-- Which servers are or were in which rooms, from the event at from_position until (with) the event
-- at until_position, which is the largest integer while they still are. A server whose user was
-- refused without ever having been in the room has a row of that one event.
CREATE TABLE room_servers (
    server_name TEXT NOT NULL,
    room_nid BIGINT NOT NULL,
    from_position BIGINT NOT NULL,
    until_position BIGINT NOT NULL,
    PRIMARY KEY (server_name, room_nid, from_position)
);
CREATE INDEX room_servers_present ON room_servers (room_nid)
    WHERE until_position = 9223372036854775807;

-- Events of users of other servers that this one sends to the servers in the room.
CREATE TABLE relayed_events (
    event_id TEXT PRIMARY KEY,
    noted_ts BIGINT NOT NULL
);
CREATE INDEX relayed_events_by_time ON relayed_events (noted_ts);

-- Messages for devices of other servers' users until the server has acknowledged them, in order.
CREATE TABLE outbound_messages (
    destination TEXT NOT NULL,
    number BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (destination, number)
);
CREATE UNIQUE INDEX outbound_messages_by_id ON outbound_messages (destination, message_id);

-- Changes of this server's devices as others are told of them: stream_id counts those of a user.
-- position is that of the change in the log of the user's shard. digest is of what others see of the
-- device, null when it is gone.
CREATE TABLE device_list_stream (
    user_id TEXT NOT NULL,
    stream_id BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    shard INTEGER NOT NULL,
    position BIGINT NOT NULL,
    digest BYTEA,
    PRIMARY KEY (user_id, stream_id)
);
CREATE INDEX device_list_stream_by_position ON device_list_stream (shard, position);

-- When the cross-signing keys of users that others see changed last.
CREATE TABLE signing_key_changes (
    user_id TEXT PRIMARY KEY,
    shard INTEGER NOT NULL,
    position BIGINT NOT NULL,
    digest BYTEA NOT NULL
);
CREATE INDEX signing_key_changes_by_position ON signing_key_changes (shard, position);
