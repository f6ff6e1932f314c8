-- Users of this server who are invited to rooms that it is not in, or knocked there.

-- stripped_state is what another server told of the room, a JSON array of stripped state events;
-- servers are those that can be asked about the room, a JSON array of their names.
CREATE TABLE out_of_band_memberships (
    room_nid BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    stripped_state TEXT NOT NULL,
    servers TEXT NOT NULL,
    PRIMARY KEY (room_nid, user_id)
);
