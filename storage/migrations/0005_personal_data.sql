-- What users keep on the server for themselves: settings, profiles, push rules and filters.

-- room_id is '' for global account data; content is a JSON object.
CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    type TEXT NOT NULL,
    content BYTEA NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, type)
);
CREATE INDEX account_data_by_position ON account_data (user_id, position);

-- fields is a JSON object from the names of the fields to their values.
CREATE TABLE profiles (
    user_id TEXT PRIMARY KEY,
    fields BYTEA NOT NULL
);

-- Users whose change of display name or avatar has yet to reach some of their rooms. former_* are
-- JSON arrays of the values before: rooms that show another one show a name that was set for them
-- alone. revision counts the changes since the row was made.
CREATE TABLE profile_updates (
    user_id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    former_display_names BYTEA NOT NULL,
    former_avatar_urls BYTEA NOT NULL
);

-- overrides is what differs from the predefined rules. individual: in some room the user's unread
-- events are counted by evaluating the rules for every event.
CREATE TABLE push_rules (
    user_id TEXT PRIMARY KEY,
    overrides BYTEA NOT NULL,
    individual BOOLEAN NOT NULL
);
CREATE INDEX push_rules_individual ON push_rules (user_id) WHERE individual;

-- filter_id is derived from the definition, so equal filters of a user are one row.
CREATE TABLE filters (
    user_id TEXT NOT NULL,
    filter_id TEXT NOT NULL,
    definition BYTEA NOT NULL,
    PRIMARY KEY (user_id, filter_id)
);
