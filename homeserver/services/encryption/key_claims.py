"""Claiming one-time keys of devices.

Client-server API, "One-time and fallback keys". All keys of the users of one shard that a request
claims are taken in one transaction, and told of after its commit: no key is handed out twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import DeviceId, ServerName, UserId, server_name_of
from homeserver.log.entries import OneTimeKeysEntry
from homeserver.log.log import Log, all_committed
from homeserver.log.shards import shard_of_user
from homeserver.ports.clock import Clock
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.device_keys import Claim, ClaimedKey, DeviceKeyStore

_encode = msgspec.json.Encoder().encode


class KeyClaims:
    """Hands out keys of devices of this server's users."""

    def __init__(
        self, store: DeviceKeyStore, log: Log, clock: Clock, server_name: ServerName
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._server_name = server_name

    async def claim(self, wanted: Mapping[UserId, Mapping[str, str]]) -> bytes:
        """The JSON of the answer to a claim of a key of some algorithm of each of some devices.

        Devices that do not exist or have no key left are missing from it; servers of other users
        are listed as failures.
        """
        by_shard: dict[int, list[Claim]] = defaultdict(list)
        remote = set()
        for user_id, by_device in wanted.items():
            server_name = server_name_of(user_id)
            if server_name != self._server_name:
                remote.add(server_name)
                continue
            by_shard[shard_of_user(user_id, self._log.shards)] += [
                Claim(user_id, DeviceId(device_id), algorithm)
                for device_id, algorithm in by_device.items()
                if "\0" not in device_id and "\0" not in algorithm
            ]
        claimed = await self._claim_local(by_shard)
        return b'{"failures":%s,"one_time_keys":%s}' % (
            _encode({server_name: {} for server_name in sorted(remote)}),
            _by_device(claimed),
        )

    async def _claim_local(self, by_shard: Mapping[int, list[Claim]]) -> list[ClaimedKey]:
        running = [self._take(shard, claims) for shard, claims in by_shard.items() if claims]
        taken: list[ClaimedKey] = []
        for deferred in running:
            deferred.addCallback(taken.extend)
        await all_committed(running)
        return taken

    def _take(self, shard: int, claims: list[Claim]) -> Deferred[list[ClaimedKey]]:
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> list[ClaimedKey]:
            return self._store.claim(tx, claims, now_ms)

        devices = tuple((claim.user_id, claim.device_id) for claim in claims)
        position = self._log.next_position(shard)
        return self._log.append(OneTimeKeysEntry(shard, position, devices), work)


def _by_device(claimed: list[ClaimedKey]) -> bytes:
    users: dict[UserId, list[bytes]] = defaultdict(list)
    for one in claimed:
        key_id = _encode(f"{one.key.algorithm}:{one.key.key_id}")
        device_id = _encode(one.device_id)
        users[one.user_id].append(b"%s:{%s:%s}" % (device_id, key_id, one.key.key))
    return b"{%s}" % b",".join(
        b"%s:{%s}" % (_encode(user_id), b",".join(devices)) for user_id, devices in users.items()
    )
