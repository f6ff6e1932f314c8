"""Which keys a device offered, and who was handed which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from synctest.client import Client
from synctest.connection import JsonObject
from synctest.device_keys import CLAIMED
from synctest.failure import ScenarioFailed


@attrs.frozen
class Claimed:
    """A key that a claim was answered with."""

    claimant: str
    key_id: str
    key: JsonObject


async def claim_key(claimant: Client, owner: Client) -> Claimed:
    """Claim a key of a device; raises `ScenarioFailed` unless one is given."""
    answer = await claimant.claim_keys([owner], CLAIMED)
    keys = answer.get(owner.user_id, {}).get(owner.device_id, {})
    if len(keys) != 1:
        raise ScenarioFailed(f"{claimant!r} claimed a key of {owner!r} and was given {answer}")
    [(key_id, key)] = keys.items()
    return Claimed(claimant.user_id, key_id, key)


@attrs.frozen
class Offer:
    """The keys that a device uploaded, by key ID."""

    one_time: Mapping[str, JsonObject]
    fallback: Mapping[str, JsonObject]

    def check(self, claimed: Sequence[Claimed], requests_repeated: int) -> int:
        """How many one-time keys are burnt: handed out in answers that never arrived.

        Raises `ScenarioFailed` when a one-time key was handed out twice, a key is none of those
        offered, or one-time keys are missing that no repeated request can have burnt.
        """
        for given in claimed:
            offered = self.one_time.get(given.key_id, self.fallback.get(given.key_id))
            if offered != given.key:
                raise ScenarioFailed(f"{given.claimant} was given a key nobody offered: {given}")
        copies = Counter(given.key_id for given in claimed if given.key_id in self.one_time)
        twice = sorted(key_id for key_id, count in copies.items() if count > 1)
        if twice:
            raise ScenarioFailed(f"handed out more than once: {twice}")
        burnt = min(len(self.one_time), len(claimed)) - len(copies)
        if burnt > requests_repeated:
            raise ScenarioFailed(
                f"{burnt} one-time keys were passed over, though only {requests_repeated} requests "
                "were repeated"
            )
        return burnt

    def check_fallback(self, given: Claimed) -> None:
        """Raises `ScenarioFailed` unless this is the fallback key."""
        if self.fallback.get(given.key_id) != given.key:
            raise ScenarioFailed(f"{given} was handed out after the one-time keys had run out")


class Supply:
    """The keys that a device has left, as its /sync tells it."""

    def __init__(self, owner: Client) -> None:
        self._owner = owner
        self._token: str | None = None
        self._count = 0
        self._unused: Sequence[str] = ()

    async def check(self, count: int, unused: Sequence[str]) -> None:
        """Raises `ScenarioFailed` unless so many one-time keys are left, and the fallback keys of
        these algorithms are unused."""
        answer = await self._owner.sync(self._token)
        self._token = answer["next_batch"]
        # An answer need not repeat what has not changed.
        counts = answer.get("device_one_time_keys_count")
        if counts is not None:
            self._count = counts.get(CLAIMED, 0)
        self._unused = answer.get("device_unused_fallback_key_types", self._unused)
        if (self._count, self._unused) != (count, unused):
            raise ScenarioFailed(
                f"{self._owner!r} has {count} one-time keys and {unused} as unused fallback keys, "
                f"/sync says {self._count} and {self._unused}"
            )
