-- Media uploaded to this server. The bytes lie with the media provider, named by their SHA-256.

-- While an upload is pending sha256 is null, and until expires_ts its user may still send it.
CREATE TABLE media (
    media_id TEXT PRIMARY KEY,
    uploader TEXT NOT NULL,
    sha256 BYTEA,
    size BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    upload_name TEXT,
    created_ts BIGINT NOT NULL,
    last_access_ts BIGINT NOT NULL,
    expires_ts BIGINT,
    quarantined BOOLEAN NOT NULL
);
CREATE INDEX media_by_uploader ON media (uploader, created_ts);
CREATE INDEX media_by_content ON media (sha256);
CREATE INDEX media_pending ON media (uploader, expires_ts) WHERE sha256 IS NULL;

-- What was found out about the content of pictures; width and height are those one sees.
CREATE TABLE pictures (
    sha256 BYTEA PRIMARY KEY,
    content_type TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    animated BOOLEAN NOT NULL
);

CREATE TABLE thumbnails (
    sha256 BYTEA NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    method TEXT NOT NULL,
    animated BOOLEAN NOT NULL,
    content_type TEXT NOT NULL,
    PRIMARY KEY (sha256, width, height, method, animated)
);
