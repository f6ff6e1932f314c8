"""One-time keys: batches that do not change, and how far they were claimed.

A claim moves the narrow row of a device on, which takes a number, and reads the key that has it:
nothing is deleted, and a key is written once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import attrs

from homeserver.domain.device_keys import ClaimableKey
from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Row, Transaction
from homeserver.ports.encryption.device_keys import Claim, ClaimedKey
from homeserver.ports.encryption.to_device import DeviceAddress

IN_BATCH: Final = 8
"""The keys of a batch: so few that PostgreSQL keeps it in its row and does not compress it."""

# An ID of a key from an older schema may hold control characters as they are.
_decode_ids: Final[Callable[[str], list[str]]] = json.JSONDecoder(strict=False).decode

_Queue = tuple[str, str, str]
"""A user, a device and an algorithm, whose keys are claimed one after the other."""

_BATCHES = """SELECT b.algorithm, b.batch, b.key_ids, b.key_bytes, b.keys,
        c.next_number, c.claimed_ts
    FROM one_time_keys b JOIN claimed_one_time_keys c
        ON c.user_id = b.user_id AND c.device_id = b.device_id AND c.algorithm = b.algorithm
    WHERE b.user_id = ? AND b.device_id = ? AND b.algorithm = ANY(?)"""
# The first statement locks what it moves on, so that several processes take different numbers.
_TAKE = """UPDATE claimed_one_time_keys
    SET next_number = next_number + 1, keys_left = keys_left - 1, claimed_ts = ?
    WHERE keys_left > 0 AND (user_id, device_id, algorithm) IN (VALUES {queues})
    RETURNING user_id, device_id, algorithm"""
# Of all devices of the users, which is cheaper than to name them; CROSS JOIN keeps SQLite from
# beginning with the keys.
_TAKEN = f"""SELECT c.user_id, c.device_id, c.algorithm, (c.next_number - 1) % {IN_BATCH},
        b.key_ids, substr(b.keys, (c.next_number - 1) % {IN_BATCH} * b.key_bytes + 1, b.key_bytes)
    FROM claimed_one_time_keys c CROSS JOIN one_time_keys b
    WHERE c.user_id = ANY(?) AND b.user_id = c.user_id AND b.device_id = c.device_id
        AND b.algorithm = c.algorithm AND b.batch = (c.next_number - 1) / {IN_BATCH}"""
_TO_NEXT_BATCH = f"""UPDATE claimed_one_time_keys
    SET next_number = (next_number / {IN_BATCH} + 1) * {IN_BATCH}
    WHERE (user_id, device_id, algorithm) IN (VALUES"""
_NOTE_USED_UP = f"""UPDATE one_time_keys SET used_up_ts = ?
    WHERE user_id = ? AND device_id = ? AND used_up_ts IS NULL AND EXISTS (
        SELECT 1 FROM claimed_one_time_keys c
        WHERE c.user_id = one_time_keys.user_id AND c.device_id = one_time_keys.device_id
            AND c.algorithm = one_time_keys.algorithm
            AND one_time_keys.batch < c.next_number / {IN_BATCH}
    )"""


@attrs.frozen(slots=True)
class KnownKey:
    """A one-time key of a device: ``key`` is its JSON, or None when it was claimed. ``claimed_ts``
    is when a key of the device and the algorithm was claimed last."""

    algorithm: str
    key_id: str
    key: bytes | None
    claimed_ts: int


def known_keys(
    tx: Transaction, address: DeviceAddress, algorithms: Iterable[str]
) -> list[KnownKey]:
    """The keys of a device that are there to be claimed, and those that were claimed lately."""
    rows = tx.all(_BATCHES, (*address, list(algorithms)))
    return [key for row in rows for key in _keys_of_batch(row)]


def add_keys(
    tx: Transaction, address: DeviceAddress, algorithm: str, keys: Sequence[ClaimableKey]
) -> None:
    """Store new keys of one algorithm behind those that are there."""
    queue = (*address, algorithm)
    row = tx.one(
        f"""SELECT COALESCE(max(b.batch) + 1, max(c.next_number) / {IN_BATCH}, 0)
        FROM claimed_one_time_keys c LEFT JOIN one_time_keys b
            ON b.user_id = c.user_id AND b.device_id = c.device_id AND b.algorithm = c.algorithm
        WHERE c.user_id = ? AND c.device_id = ? AND c.algorithm = ?""",
        queue,
    )
    assert row is not None
    batches = [keys[start : start + IN_BATCH] for start in range(0, len(keys), IN_BATCH)]
    tx.insert(
        """INSERT INTO one_time_keys
            (user_id, device_id, algorithm, batch, key_ids, key_bytes, keys) VALUES""",
        [(*queue, batch, *_packed(some)) for batch, some in enumerate(batches, row[0])],
    )
    tx.execute(
        """INSERT INTO claimed_one_time_keys
            (user_id, device_id, algorithm, next_number, keys_left, claimed_ts)
        VALUES (?, ?, ?, 0, ?, 0) ON CONFLICT (user_id, device_id, algorithm)
        DO UPDATE SET keys_left = claimed_one_time_keys.keys_left + excluded.keys_left""",
        (*queue, len(keys)),
    )


def take_keys(tx: Transaction, claims: Sequence[Claim], now_ms: int) -> list[ClaimedKey]:
    """Hand out a key for each claim of a device that has one left."""
    marks = ", ".join(["(?, ?, ?)"] * len(claims))
    named = [value for c in claims for value in (c.user_id, c.device_id, c.algorithm)]
    taken: set[Row] = set(tx.all(_TAKE.format(queues=marks), [now_ms, *named]))
    if not taken:
        return []
    claimed, at_end = [], []
    for user_id, device_id, algorithm, place, key_ids, key in tx.all(
        _TAKEN, (list({user_id for user_id, _, _ in taken}),)
    ):
        queue: _Queue = (user_id, device_id, algorithm)
        if queue not in taken:
            continue
        ids = _decode_ids(key_ids)
        if place + 1 == len(ids) < IN_BATCH:
            at_end.append(queue)
        found = ClaimableKey(algorithm, ids[place], key.rstrip(b" "))
        claimed.append(ClaimedKey(UserId(user_id), DeviceId(device_id), found))
    tx.insert(_TO_NEXT_BATCH, at_end, ")")
    return claimed


def forget_used_up(tx: Transaction, address: DeviceAddress, now_ms: int, before_ts: int) -> None:
    """Delete the batches of a device of which it was noticed before a time that they are used up,
    and notice it of others."""
    tx.execute(
        "DELETE FROM one_time_keys WHERE user_id = ? AND device_id = ? AND used_up_ts < ?",
        (*address, before_ts),
    )
    tx.execute(_NOTE_USED_UP, (now_ms, *address))


def by_algorithm(keys: Iterable[ClaimableKey]) -> dict[str, list[ClaimableKey]]:
    """Keys of each algorithm, in order."""
    found: dict[str, list[ClaimableKey]] = defaultdict(list)
    for key in keys:
        found[key.algorithm].append(key)
    return found


def _packed(keys: Sequence[ClaimableKey]) -> tuple[str, int, bytes]:
    """The IDs, the width and the keys of a batch."""
    width = max(len(key.key) for key in keys)
    ids = json.dumps([key.key_id for key in keys])
    return ids, width, b"".join(key.key.ljust(width) for key in keys)


def _keys_of_batch(row: Row) -> Iterator[KnownKey]:
    algorithm, batch, key_ids, width, keys, next_number, claimed_ts = row
    for place, key_id in enumerate(_decode_ids(key_ids)):
        key = None
        if batch * IN_BATCH + place >= next_number:
            key = keys[place * width : (place + 1) * width].rstrip(b" ")
        yield KnownKey(algorithm, key_id, key, claimed_ts)
