"""Asking other servers for the keys of their users.

Server-server API, "End-to-End Encryption". Users who share a room with one of ours are looked up in
the lists of their devices that this server follows; for others their servers are asked each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Coroutine, Iterable, Mapping
from typing import Any, Final

import msgspec
import structlog
from twisted.internet.defer import Deferred

from federation.device_keys.device_list_json import parse_cross_signing, parse_keys
from federation.device_keys.remote_device_lists import RemoteDeviceLists
from federation.device_keys.remote_servers import RemoteServers
from federation.transport.errors import FederationError
from federation.transport.request_paths import federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING
from homeserver.domain.device_keys import parse_one_time_keys
from homeserver.domain.errors import MatrixError
from homeserver.domain.identifiers import ServerName, UserId, parse_device_id, server_name_of
from homeserver.ports.federation.remote_device_lists import RemoteDevice, RemoteDeviceList
from homeserver.ports.federation.remote_keys import RemoteClaims, RemoteKeys

TIMEOUT_SECONDS: Final = 10.0
"""How long a client waits for the servers of others."""

MOST_LISTS: Final = 20
"""How many lists of one server are fetched for one query; it is asked for the keys of the other
users all at once."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode

log = structlog.get_logger(__name__)

Wanted = Mapping[UserId, Collection[str]]


class RemoteKeyQueries:
    """See :class:`homeserver.ports.federation.remote_keys.RemoteKeyServers`."""

    def __init__(self, client: RemoteServers, lists: RemoteDeviceLists) -> None:
        self._client = client
        self._lists = lists

    async def query(self, wanted: Wanted) -> RemoteKeys:
        """See :class:`homeserver.ports.federation.remote_keys.RemoteKeyServers`."""
        found = RemoteKeys()
        seen = await self._lists.seen(list(wanted))
        known = await self._lists.valid(seen) if seen else {}
        for user_id, devices in known.items():
            _add_list(found, user_id, devices, wanted[user_id])
        left = [user_id for user_id in wanted if user_id not in known]
        await _all(
            self._query_server(server, {user: wanted[user] for user in users}, seen, found)
            for server, users in _by_server(left).items()
        )
        return found

    async def claim(self, wanted: Mapping[UserId, Mapping[str, str]]) -> RemoteClaims:
        """See :class:`homeserver.ports.federation.remote_keys.RemoteKeyServers`."""
        claimed = RemoteClaims()
        await _all(
            self._claim_from(server, {user: wanted[user] for user in users}, claimed)
            for server, users in _by_server(wanted).items()
        )
        return claimed

    async def _query_server(
        self, server: ServerName, wanted: Wanted, seen: Collection[UserId], found: RemoteKeys
    ) -> None:
        followed = [user_id for user_id in wanted if user_id in seen][:MOST_LISTS]
        others = {user_id: wanted[user_id] for user_id in wanted if user_id not in followed}
        asked = [self._fetch_list(user_id, wanted[user_id], found) for user_id in followed]
        if others:
            asked.append(self._ask(server, others, found))
        try:
            await _all(asked)
        except (FederationError, MatrixError) as error:
            log.info("keys_not_had", destination=server, error=str(error))
            found.failures[server] = {}

    async def _fetch_list(
        self, user_id: UserId, wanted: Collection[str], found: RemoteKeys
    ) -> None:
        _add_list(found, user_id, await self._lists.fetch(user_id), wanted)

    async def _ask(self, server: ServerName, wanted: Wanted, found: RemoteKeys) -> None:
        content = {"device_keys": {user_id: list(names) for user_id, names in wanted.items()}}
        answer = await self._post(server, "query", content)
        device_keys = _object(answer, "device_keys")
        masters, self_signing = _object(answer, "master_keys"), _object(answer, "self_signing_keys")
        for user_id, chosen in wanted.items():
            devices = _devices(user_id, _object(device_keys, user_id), chosen)
            keys: Mapping[str, bytes] = {}
            try:
                keys = parse_cross_signing(user_id, masters.get(user_id), self_signing.get(user_id))
            except MatrixError as error:
                log.info("keys_not_usable", user_id=user_id, error=str(error))
            _add_list(found, user_id, RemoteDeviceList(0, devices, keys), chosen)

    async def _claim_from(
        self,
        server: ServerName,
        wanted: Mapping[UserId, Mapping[str, str]],
        claimed: RemoteClaims,
    ) -> None:
        content = {"one_time_keys": {user_id: dict(of) for user_id, of in wanted.items()}}
        try:
            keys = _object(await self._post(server, "claim", content), "one_time_keys")
        except FederationError as error:
            log.info("keys_not_claimed", destination=server, error=str(error))
            claimed.failures[server] = {}
            return
        for user_id, by_device in wanted.items():
            answered = _object(keys, user_id)
            for device_id, algorithm in by_device.items():
                key = _claimed(_object(answered, device_id), algorithm)
                if key:
                    claimed.keys.setdefault(user_id, {})[device_id] = key

    async def _post(self, server: ServerName, what: str, content: JsonObject) -> JsonObject:
        path = federation_path("user", "keys", what)
        return await self._client.post_json(server, path, content, timeout=TIMEOUT_SECONDS)


def _by_server(user_ids: Iterable[UserId]) -> dict[ServerName, list[UserId]]:
    servers: dict[ServerName, list[UserId]] = defaultdict(list)
    for user_id in user_ids:
        servers[server_name_of(user_id)].append(user_id)
    return servers


def _object(holder: JsonObject, name: str) -> JsonObject:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _devices(user_id: UserId, keys: JsonObject, chosen: Collection[str]) -> list[RemoteDevice]:
    devices = []
    for name, of_device in keys.items():
        if not isinstance(of_device, dict) or (chosen and name not in chosen):
            continue
        unsigned = _object(of_device, "unsigned")
        try:
            device = parse_keys(
                user_id, parse_device_id(name), of_device, unsigned.get("device_display_name")
            )
        except MatrixError as error:
            log.info("keys_not_usable", user_id=user_id, error=str(error))
            continue
        if device is not None:
            devices.append(device)
    return devices


def _claimed(keys: JsonObject, algorithm: str) -> JsonObject:
    """The key that was asked for among what a server answers for a device."""
    wanted = {name: key for name, key in keys.items() if name.startswith(f"{algorithm}:")}
    try:
        parse_one_time_keys(wanted)
    except MatrixError:
        return {}
    return dict(list(wanted.items())[:1])


def _add_list(
    found: RemoteKeys, user_id: UserId, devices: RemoteDeviceList, chosen: Collection[str]
) -> None:
    of_user = found.devices[user_id] = {}
    for device in devices.devices:
        if not chosen or device.device_id in chosen:
            keys = of_user[device.device_id] = _decode(device.keys)
            if device.display_name is not None:
                keys["unsigned"] = {"device_display_name": device.display_name}
    for usage, keys_of in ((MASTER, found.master), (SELF_SIGNING, found.self_signing)):
        if usage in devices.cross_signing:
            keys_of[user_id] = _decode(devices.cross_signing[usage])


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run works at the same time; raises what the first that failed failed with."""
    running = [Deferred.fromCoroutine(work) for work in works]
    errors: list[Exception] = []
    for deferred in running:
        try:
            await deferred
        except (FederationError, MatrixError) as error:
            errors.append(error)
    if errors:
        raise errors[0]
