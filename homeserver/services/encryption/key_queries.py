"""Looking up the keys of users and their devices.

Client-server API, "Key Distribution" and "Key and signature security". Two queries, whatever the
number of users; what was uploaded is spliced into the answer as it is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING, USER_SIGNING
from homeserver.domain.device_keys import with_signatures
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.ports.encryption.cross_signing import CrossSigningStore, SeenCrossSigningRow
from homeserver.ports.encryption.device_keys import DeviceKeysRow, DeviceKeyStore

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

_MEMBERS: Final = {
    MASTER: b'"master_keys"',
    SELF_SIGNING: b'"self_signing_keys"',
    USER_SIGNING: b'"user_signing_keys"',
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
        names = {
            user_id: _encode(user_id)
            for user_id in wanted
            if server_name_of(user_id) == self._server_name
        }
        failures: dict[ServerName, JsonObject] = {
            server_name_of(user_id): {} for user_id in wanted if user_id not in names
        }
        devices = await self._devices.device_keys(names) if names else []
        keys = await self._cross_signing.keys(names, viewer) if names else []
        by_user: dict[UserId, list[bytes]] = {user_id: [] for user_id in names}
        for row in devices:
            chosen = wanted[row.user_id]
            if not chosen or row.device_id in chosen:
                by_user[row.user_id].append(_device_member(row))
        by_usage: dict[str, list[bytes]] = {usage: [] for usage in _MEMBERS}
        for key in keys:
            by_usage[key.usage].append(b"%b:%b" % (names[key.user_id], _as_seen(key, viewer)))
        members = [
            b"%b:{%b}" % (names[user_id], b",".join(found)) for user_id, found in by_user.items()
        ]
        parts = [b'{"failures":', _encode(failures), b',"device_keys":{', b",".join(members)]
        for usage, member in _MEMBERS.items():
            parts += (b"},", member, b":{", b",".join(by_usage[usage]))
        return b"".join((*parts, b"}}"))


def _device_member(row: DeviceKeysRow) -> bytes:
    device_id = _encode(row.device_id)
    if row.display_name is None:
        return b"%b:%b" % (device_id, row.keys)
    unsigned = _encode({"device_display_name": row.display_name})
    return b'%b:%b,"unsigned":%b}' % (device_id, row.keys[:-1], unsigned)


def _as_seen(row: SeenCrossSigningRow, viewer: UserId) -> bytes:
    if not row.signatures:
        return row.key
    return encode_canonical_json(with_signatures(_decode(row.key), {viewer: row.signatures}))
