"""What looking up keys asks of other servers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName, UserId, server_name_of


@attrs.define(slots=True)
class RemoteKeys:
    """The keys of other servers' users, each as a JSON object: of devices by user and device, the
    others by user. ``failures`` are the servers that could not be asked."""

    devices: dict[UserId, dict[str, JsonObject]] = attrs.Factory(dict)
    master: dict[UserId, JsonObject] = attrs.Factory(dict)
    self_signing: dict[UserId, JsonObject] = attrs.Factory(dict)
    failures: dict[ServerName, JsonObject] = attrs.Factory(dict)


@attrs.define(slots=True)
class RemoteClaims:
    """Keys that other servers handed out: by user and device, a JSON object from the name of the
    key to the key. ``failures`` are the servers that could not be asked."""

    keys: dict[UserId, dict[str, JsonObject]] = attrs.Factory(dict)
    failures: dict[ServerName, JsonObject] = attrs.Factory(dict)


class RemoteKeyServers(Protocol):
    """Keys of other servers' users. What an answer names beside what was asked for is left out."""

    async def query(self, wanted: Mapping[UserId, Collection[str]]) -> RemoteKeys:
        """The keys of users, each with the devices that are wanted or none for all of them."""
        ...

    async def claim(self, wanted: Mapping[UserId, Mapping[str, str]]) -> RemoteClaims:
        """Claim keys of an algorithm of each of some devices."""
        ...


class NoRemoteKeyServers:
    """Other servers are not asked for anything."""

    async def query(self, wanted: Mapping[UserId, Collection[str]]) -> RemoteKeys:
        """See :class:`RemoteKeyServers`."""
        return RemoteKeys(failures={server_name_of(user_id): {} for user_id in wanted})

    async def claim(self, wanted: Mapping[UserId, Mapping[str, str]]) -> RemoteClaims:
        """See :class:`RemoteKeyServers`."""
        return RemoteClaims(failures={server_name_of(user_id): {} for user_id in wanted})
