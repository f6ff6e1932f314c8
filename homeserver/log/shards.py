"""Which shard a room or a user belongs to."""

from __future__ import annotations

from zlib import crc32

from homeserver.domain.identifiers import UserId


def shard_of_user(user_id: UserId, shards: int) -> int:
    """The shard of a user: fixed by the id, as the number of shards is fixed with the database."""
    return crc32(user_id.encode()) % shards if shards > 1 else 0


def shard_of_new_room(seed: int, shards: int) -> int:
    """The shard of a room that is being made; afterwards a column of the room tells."""
    return seed % shards
