"""Claiming one-time keys of devices.

Client-server API, "One-time and fallback keys". All keys that a request claims are
taken in one transaction, and told of after its commit: no key is handed out twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import DeviceId, ServerName, UserId, server_name_of
from homeserver.log.entries import OneTimeKeysEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.clock import Clock
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.device_keys import Claim, ClaimedKey, DeviceKeyStore
from homeserver.ports.encryption.to_device import DeviceAddress
from homeserver.ports.federation.remote_keys import (
    NoRemoteKeyServers,
    RemoteClaims,
    RemoteKeyServers,
)

_encode = msgspec.json.Encoder().encode


class KeyClaims:
    """Hands out keys of devices; those of other servers' users come from ``remote``."""

    def __init__(
        self,
        store: DeviceKeyStore,
        log: Log,
        clock: Clock,
        server_name: ServerName,
        remote: RemoteKeyServers = NoRemoteKeyServers(),  # noqa: B008
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._server_name = server_name
        self._remote = remote

    async def claim(self, wanted: Mapping[UserId, Mapping[str, str]]) -> bytes:
        """The JSON of the answer to a claim of a key of some algorithm of each of some devices.

        Devices that do not exist or have no key left are missing from it; servers that
        cannot be asked are listed as failures.
        """
        claims: list[Claim] = []
        remote: dict[UserId, Mapping[str, str]] = {}
        for user_id, by_device in wanted.items():
            if server_name_of(user_id) != self._server_name:
                remote[user_id] = by_device
                continue
            claims += [
                Claim(user_id, DeviceId(device_id), algorithm)
                for device_id, algorithm in by_device.items()
                if "\0" not in device_id and "\0" not in algorithm
            ]
        claimed = await self._take(claims) if claims else []
        members = _by_device(claimed)
        others = await self._remote.claim(remote) if remote else RemoteClaims()
        members += [b"%b:%b" % (_encode(name), _encode(keys)) for name, keys in others.keys.items()]
        return b'{"failures":%s,"one_time_keys":{%s}}' % (
            _encode(others.failures),
            b",".join(members),
        )

    def _take(self, claims: Sequence[Claim]) -> Deferred[list[ClaimedKey]]:
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> list[ClaimedKey]:
            return self._store.claim(tx, claims, now_ms)

        by_shard: dict[int, list[DeviceAddress]] = defaultdict(list)
        for claim in claims:
            shard = shard_of_user(claim.user_id, self._log.shards)
            by_shard[shard].append((claim.user_id, claim.device_id))
        entries = [
            OneTimeKeysEntry(shard, self._log.next_position(shard), tuple(devices))
            for shard, devices in by_shard.items()
        ]
        return self._log.append_all(entries, work)


def _by_device(claimed: list[ClaimedKey]) -> list[bytes]:
    users: dict[UserId, list[bytes]] = defaultdict(list)
    for one in claimed:
        key_id = _encode(f"{one.key.algorithm}:{one.key.key_id}")
        device_id = _encode(one.device_id)
        users[one.user_id].append(b"%s:{%s:%s}" % (device_id, key_id, one.key.key))
    return [
        b"%s:{%s}" % (_encode(user_id), b",".join(devices)) for user_id, devices in users.items()
    ]
