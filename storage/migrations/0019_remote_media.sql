-- Media of other servers that was fetched for users of this one, named as it is there. The bytes lie
-- with the media provider, as those of uploads do.
CREATE TABLE remote_media (
    server_name TEXT NOT NULL,
    media_id TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    size BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    upload_name TEXT,
    fetched_ts BIGINT NOT NULL,
    last_access_ts BIGINT NOT NULL,
    quarantined BOOLEAN NOT NULL,
    PRIMARY KEY (server_name, media_id)
);
CREATE INDEX remote_media_by_content ON remote_media (sha256);
CREATE INDEX remote_media_by_access ON remote_media (last_access_ts);

-- Tokens by which third parties learn who a user is (OpenID), by the SHA-256 of the token.
CREATE TABLE openid_tokens (
    token_hash BYTEA PRIMARY KEY,
    user_id TEXT NOT NULL,
    expires_ts BIGINT NOT NULL
);
CREATE INDEX openid_tokens_by_user ON openid_tokens (user_id);
CREATE INDEX openid_tokens_by_end ON openid_tokens (expires_ts);
