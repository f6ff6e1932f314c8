"""Looking up the keys of users and their devices.

Client-server API, "Key Distribution" and "Key and signature security". At most three queries,
whatever the number of users; what was uploaded is spliced into the answer as it is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING, USER_SIGNING
from homeserver.domain.device_keys import with_signatures
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.ports.encryption.cross_signing import CrossSigningStore, UserSignature
from homeserver.ports.federation.remote_keys import (
    NoRemoteKeyServers,
    RemoteKeys,
    RemoteKeyServers,
)
from homeserver.services.encryption.published_keys import PublishedKeys, UserKeys

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class KeyQueries:
    """Answers what clients ask of the keys of users; those of other servers' users come from
    ``remote``."""

    def __init__(
        self,
        published: PublishedKeys,
        cross_signing: CrossSigningStore,
        server_name: ServerName,
        remote: RemoteKeyServers = NoRemoteKeyServers(),  # noqa: B008
    ) -> None:
        self._published = published
        self._cross_signing = cross_signing
        self._server_name = server_name
        self._remote = remote

    async def query(self, viewer: UserId, wanted: Mapping[UserId, Collection[str]]) -> bytes:
        """The JSON of the answer for the keys of some users, each with the devices that are wanted
        or none for all of them.

        Users without devices are listed as such; servers that cannot be asked are listed as
        failures.
        """
        local = [user_id for user_id in wanted if server_name_of(user_id) == self._server_name]
        remote = {user_id: wanted[user_id] for user_id in wanted.keys() - set(local)}
        keys = await self._published.of_users(local)
        others = await self._remote.query(remote) if remote else RemoteKeys()
        made = _by_master(await self._cross_signing.signatures(viewer, wanted))
        devices = [
            b"%b:{%b}" % (of_user.name, b",".join(_devices(of_user, wanted[user_id])))
            for user_id, of_user in keys.items()
        ]
        devices += [_member(*each) for each in others.devices.items()]
        masters = _masters(keys, viewer, made)
        masters += [
            _member(user_id, _with_made(master, viewer, made.get(user_id, {})))
            for user_id, master in others.master.items()
        ]
        own = [keys[viewer]] if viewer in keys else []
        self_signing = _cross_signing(keys.values(), SELF_SIGNING)
        self_signing += [_member(*each) for each in others.self_signing.items()]
        parts = (
            *(b'{"failures":', _encode(others.failures)),
            *(b',"device_keys":{', b",".join(devices)),
            *(b'},"master_keys":{', b",".join(masters)),
            *(b'},"self_signing_keys":{', b",".join(self_signing)),
            *(b'},"user_signing_keys":{', b",".join(_cross_signing(own, USER_SIGNING))),
            b"}}",
        )
        return b"".join(parts)


def _devices(keys: UserKeys, chosen: Collection[str]) -> Iterable[bytes]:
    if not chosen:
        return keys.devices.values()
    return [member for device_id, member in keys.devices.items() if device_id in chosen]


def _cross_signing(users: Iterable[UserKeys], usage: str) -> list[bytes]:
    return [
        b"%b:%b" % (of_user.name, of_user.cross_signing[usage].key)
        for of_user in users
        if usage in of_user.cross_signing
    ]


_Made = Mapping[UserId, Mapping[str, Mapping[str, str]]]
"""Signatures by key ID, by the user and the public key that they are on."""


def _by_master(signatures: Iterable[UserSignature]) -> _Made:
    made: dict[UserId, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for one in signatures:
        made[one.user_id][one.public_key][one.signing_key_id] = one.signature
    return made


def _masters(keys: Mapping[UserId, UserKeys], viewer: UserId, made: _Made) -> list[bytes]:
    """The master keys, with the signatures that the viewer made."""
    members = []
    for user_id, of_user in keys.items():
        master = of_user.cross_signing.get(MASTER)
        if master is None:
            continue
        signatures = made[user_id].get(master.public_key) if user_id in made else None
        shown = (
            master.key if signatures is None else _signed(_decode(master.key), viewer, signatures)
        )
        members.append(b"%b:%b" % (of_user.name, shown))
    return members


def _signed(master: JsonObject, viewer: UserId, made: Mapping[str, str]) -> bytes:
    return encode_canonical_json(with_signatures(master, {viewer: made}))


def _with_made(
    master: JsonObject, viewer: UserId, made: Mapping[str, Mapping[str, str]]
) -> JsonObject:
    """The master key of a user of another server, with the signatures that the viewer made."""
    for public_key in master["keys"].values():
        if public_key in made:
            return with_signatures(master, {viewer: made[public_key]})
    return master


def _member(name: str, value: JsonObject) -> bytes:
    return b"%b:%b" % (_encode(name), _encode(value))
