"""Places of the state of a room at several points of its past at once."""

from __future__ import annotations

import json
from collections.abc import Collection

from homeserver.domain.events import StateKey
from homeserver.ports.database import Transaction, Transactions

# Every snapshot with those that it lies upon, the lowest first.
_SNAPSHOTS = """
WITH RECURSIVE below (top, base, depth, delta) AS (
    SELECT snapshot_nid, base, depth, delta FROM state_snapshots WHERE snapshot_nid = ANY(?)
    UNION ALL
    SELECT b.top, s.base, s.depth, s.delta
    FROM below b JOIN state_snapshots s ON s.snapshot_nid = -b.base
)
SELECT top, base, delta FROM below ORDER BY top, depth"""


class SqlPastStates:
    """See :class:`homeserver.ports.rooms.past_states.PastStates`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def held(
        self, room_nid: int, bases: Collection[int], keys: Collection[StateKey]
    ) -> dict[int, dict[StateKey, int]]:
        if not bases or not keys:
            return {base: {} for base in bases}
        return await self._transactions.read(_held, room_nid, list(bases), list(keys))


def _held(
    tx: Transaction, room_nid: int, bases: list[int], keys: list[StateKey]
) -> dict[int, dict[StateKey, int]]:
    lowest = {base: base for base in bases}
    deltas: dict[int, list[dict[StateKey, int | None]]] = {base: [] for base in bases}
    for top, base, text in tx.all(_SNAPSHOTS, ([-base for base in bases if base < 0],)):
        if base >= 0:
            lowest[-top] = base
        delta = {(type, key): nid for type, key, nid in json.loads(text)}
        deltas[-top].append({key: delta[key] for key in keys if key in delta})
    spans = _spans(tx, room_nid, keys)
    found: dict[int, dict[StateKey, int]] = {}
    for base in bases:
        position = lowest[base]
        places: dict[StateKey, int | None] = {
            key: nid for key, nid, since, until in spans if since <= position < until
        }
        for delta in deltas[base]:
            places.update(delta)
        found[base] = {key: nid for key, nid in places.items() if nid is not None}
    return found


def _spans(
    tx: Transaction, room_nid: int, keys: list[StateKey]
) -> list[tuple[StateKey, int, int, int]]:
    wanted = " OR ".join(["(type = ? AND state_key = ?)"] * len(keys))
    rows = tx.all(
        "SELECT type, state_key, event_nid, from_position, to_position FROM state_intervals"
        f" WHERE room_nid = ? AND ({wanted})",
        (room_nid, *(part for key in keys for part in key)),
    )
    return [((type, key), nid, since, until) for type, key, nid, since, until in rows]
