-- One-time keys as batches that do not change, and how far they were claimed.

ALTER TABLE one_time_keys RENAME TO single_keys;
ALTER TABLE claimed_one_time_keys RENAME TO single_claims;

-- The keys of a device are numbered in the order of upload. Batch n holds the keys from number 8 * n,
-- eight or, at the end of an upload, fewer: then the numbers that are left are not used. key_ids is a
-- JSON array; in keys each takes key_bytes, filled up with spaces. used_up_ts is when it was noticed
-- that all were claimed: the batch is kept for a while, for an upload that is repeated must not bring
-- them back.
CREATE TABLE one_time_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    batch INTEGER NOT NULL,
    key_ids TEXT NOT NULL,
    key_bytes INTEGER NOT NULL,
    keys BYTEA NOT NULL,
    used_up_ts BIGINT,
    PRIMARY KEY (user_id, device_id, algorithm, batch)
);

-- next_number is that of the key to hand out next; claimed_ts is when one was claimed last.
CREATE TABLE claimed_one_time_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    next_number INTEGER NOT NULL,
    keys_left INTEGER NOT NULL,
    claimed_ts BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm)
);

-- Each key that there is becomes a batch, those that were claimed (what they were is not known) first.
INSERT INTO one_time_keys
    (user_id, device_id, algorithm, batch, key_ids, key_bytes, keys, used_up_ts)
SELECT user_id, device_id, algorithm,
    row_number() OVER (
        PARTITION BY user_id, device_id, algorithm ORDER BY is_left, position, key_id
    ) - 1,
    '["' || replace(replace(key_id, '\', '\\'), '"', '\"') || '"]', length(key), key, claimed_ts
FROM (
    SELECT user_id, device_id, algorithm, key_id, 1 AS is_left, position, key,
        CAST(NULL AS BIGINT) AS claimed_ts
    FROM single_keys
    UNION ALL
    SELECT user_id, device_id, algorithm, key_id, 0, claimed_ts, '', claimed_ts
    FROM single_claims
) AS single;

INSERT INTO claimed_one_time_keys
    (user_id, device_id, algorithm, next_number, keys_left, claimed_ts)
SELECT user_id, device_id, algorithm, 8 * count(used_up_ts), count(*) - count(used_up_ts),
    COALESCE(max(used_up_ts), 0)
FROM one_time_keys GROUP BY user_id, device_id, algorithm;

DROP TABLE single_keys;
DROP TABLE single_claims;
