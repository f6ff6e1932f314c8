"""Looking up the keys of users and their devices.

Client-server API, "Key Distribution" and "Key and signature security". Two queries, whatever the
number of users; what was uploaded is spliced into the answer as it is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from homeserver.domain.canonical_json import encode_canonical_json
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING, USER_SIGNING
from homeserver.domain.device_keys import with_signatures
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.ports.encryption.cross_signing import CrossSigningStore, SeenCrossSigningRow
from homeserver.ports.encryption.device_keys import DeviceKeysRow, DeviceKeyStore

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

_MEMBERS: Final = {
    MASTER: "master_keys",
    SELF_SIGNING: "self_signing_keys",
    USER_SIGNING: "user_signing_keys",
}


class KeyQueries:
    """Reads the keys of this server's users."""

    def __init__(
        self, devices: DeviceKeyStore, cross_signing: CrossSigningStore, server_name: ServerName
    ) -> None:
        self._devices = devices
        self._cross_signing = cross_signing
        self._server_name = server_name

    async def query(self, viewer: UserId, wanted: Mapping[UserId, Collection[str]]) -> bytes:
        """The JSON of the answer for the keys of some users, each with the devices that are wanted
        or none for all of them.

        Users without devices are listed as such; servers of other users are listed as failures.
        """
        local = [user_id for user_id in wanted if server_name_of(user_id) == self._server_name]
        remote = {server_name_of(user_id) for user_id in wanted} - {self._server_name}
        devices = await self._devices.device_keys(local) if local else []
        keys = await self._cross_signing.keys(local, viewer) if local else []
        by_user: dict[UserId, list[bytes]] = {user_id: [] for user_id in local}
        for row in devices:
            chosen = wanted[row.user_id]
            if not chosen or row.device_id in chosen:
                by_user[row.user_id].append(_encode(row.device_id) + b":" + _with_name(row))
        parts = [
            b'"failures":' + _encode({server_name: {} for server_name in sorted(remote)}),
            b'"device_keys":{%s}'
            % b",".join(
                b"%s:{%s}" % (_encode(user_id), b",".join(found))
                for user_id, found in by_user.items()
            ),
        ]
        by_usage: dict[str, list[bytes]] = defaultdict(list)
        for key in keys:
            by_usage[key.usage].append(_encode(key.user_id) + b":" + _as_seen(key, viewer))
        parts += [
            b'"%s":{%s}' % (member.encode(), b",".join(by_usage[usage]))
            for usage, member in _MEMBERS.items()
        ]
        return b"{%s}" % b",".join(parts)


def _with_name(row: DeviceKeysRow) -> bytes:
    if row.display_name is None:
        return row.keys
    unsigned = _encode({"device_display_name": row.display_name})
    return row.keys[:-1] + b',"unsigned":%s}' % unsigned


def _as_seen(row: SeenCrossSigningRow, viewer: UserId) -> bytes:
    if not row.signatures:
        return row.key
    return encode_canonical_json(with_signatures(_decode(row.key), {viewer: row.signatures}))
