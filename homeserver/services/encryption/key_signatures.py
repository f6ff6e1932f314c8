"""Publishing signatures on keys.

Client-server API, "Cross-signing". A user's self-signing key signs their devices, their devices
sign their master key, and their user-signing key signs the master keys of others. The first two
become part of what they sign, for everybody to see; the last are kept apart, for the user alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.cross_signing import (
    ED25519,
    MASTER,
    SELF_SIGNING,
    USER_SIGNING,
    BadSignature,
    check_signed_by,
)
from homeserver.domain.device_keys import signatures_of, signs_the_same, with_signatures
from homeserver.domain.errors import BadJson, InvalidParam, MatrixError, NotFound
from homeserver.domain.identifiers import DeviceId, UserId, server_name_of
from homeserver.log.entries import UserSignaturesEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.cross_signing import (
    CrossSigningRow,
    CrossSigningStore,
    UserSignature,
)
from homeserver.ports.encryption.device_keys import DeviceKeyStore
from homeserver.ports.federation.remote_keys import NoRemoteKeyServers, RemoteKeyServers
from homeserver.services.encryption.device_list_changes import DeviceListChanges

_decode = msgspec.json.Decoder(dict[str, Any]).decode

SignedKeys = Mapping[UserId, Mapping[str, JsonObject]]
"""Signed objects, by the user whose key it is and the ID of the device or the public key."""

Failures = dict[UserId, dict[str, dict[str, Any]]]


@attrs.define(slots=True)
class _Keys:
    """Every key that a request is about, and those that may have signed them."""

    devices: dict[str, JsonObject]
    own: dict[str, JsonObject]
    masters: dict[UserId, tuple[str, JsonObject]]

    def public_key(self, usage: str) -> str | None:
        key = self.own.get(usage)
        return next(iter(key["keys"].values())) if key is not None else None


@attrs.define(slots=True)
class _Accepted:
    """New signatures that are right."""

    on_devices: dict[DeviceId, dict[str, str]] = attrs.Factory(dict)
    on_master: dict[str, str] = attrs.Factory(dict)
    on_others: list[UserSignature] = attrs.Factory(list)


class KeySignatures:
    """Stores signatures of users; keys of other servers' users come from ``remote``."""

    def __init__(
        self,
        devices: DeviceKeyStore,
        cross_signing: CrossSigningStore,
        changes: DeviceListChanges,
        log: Log,
        remote: RemoteKeyServers = NoRemoteKeyServers(),  # noqa: B008
    ) -> None:
        self._devices = devices
        self._cross_signing = cross_signing
        self._changes = changes
        self._log = log
        self._remote = remote

    async def upload(self, signer: UserId, signed: SignedKeys) -> Failures:
        """Store the signatures that a user made; what could not be taken, and why."""
        keys = await self._keys(signer, signed)
        accepted = _Accepted()
        failures: Failures = {}
        for user_id, by_key in signed.items():
            for key_id, signed_object in by_key.items():
                try:
                    _accept(keys, signer, user_id, key_id, signed_object, accepted)
                except MatrixError as error:
                    failures.setdefault(user_id, {})[key_id] = error.body()
        if accepted.on_devices or accepted.on_master:
            await self._changes.write(
                signer, lambda tx, position: self._sign_own(tx, signer, keys, accepted)
            )
        if accepted.on_others:
            await self._sign_others(signer, accepted.on_others)
        return failures

    async def _keys(self, signer: UserId, signed: SignedKeys) -> _Keys:
        rows = await self._devices.device_keys([signer])
        seen = await self._cross_signing.keys([*signed, signer], viewer=signer)
        masters = {
            row.user_id: (row.public_key, _decode(row.key)) for row in seen if row.usage == MASTER
        }
        here = server_name_of(signer)
        elsewhere = [user_id for user_id in signed if server_name_of(user_id) != here]
        if elsewhere:
            asked = await self._remote.query(dict.fromkeys(elsewhere, ()))
            for user_id, master in asked.master.items():
                masters[user_id] = (next(iter(master["keys"].values())), master)
        return _Keys(
            devices={row.device_id: _decode(row.keys) for row in rows},
            own={row.usage: _decode(row.key) for row in seen if row.user_id == signer},
            masters=masters,
        )

    def _sign_own(self, tx: Transaction, signer: UserId, keys: _Keys, new: _Accepted) -> None:
        for device_id, signatures in new.on_devices.items():
            stored = self._devices.read_device_keys(tx, (signer, device_id))
            if stored is not None and signs_the_same(_decode(stored), keys.devices[device_id]):
                merged = with_signatures(_decode(stored), {signer: signatures})
                self._devices.put_device_keys(
                    tx, (signer, device_id), encode_canonical_json(merged)
                )
        master = self._cross_signing.read(tx, signer).get(MASTER)
        if new.on_master and master is not None and master.public_key == keys.masters[signer][0]:
            merged = with_signatures(_decode(master.key), {signer: new.on_master})
            row = CrossSigningRow(signer, MASTER, master.public_key, encode_canonical_json(merged))
            self._cross_signing.put(tx, [row])

    async def _sign_others(self, signer: UserId, signatures: list[UserSignature]) -> None:
        def work(tx: Transaction) -> None:
            self._cross_signing.add_signatures(tx, signer, signatures, position)

        shard = shard_of_user(signer, self._log.shards)
        position = self._log.next_position(shard)
        signed = tuple({signature.user_id: None for signature in signatures})
        await self._log.append(UserSignaturesEntry(shard, position, signer, signed), work)


def _accept(
    keys: _Keys,
    signer: UserId,
    user_id: UserId,
    key_id: str,
    signed: JsonObject,
    accepted: _Accepted,
) -> None:
    """Take the new signatures of one object. Raises what its failure is."""
    public_key, master = keys.masters.get(user_id, (None, None))
    if user_id == signer and key_id in keys.devices:
        stored = keys.devices[key_id]
        signing = _named(keys.public_key(SELF_SIGNING))
    elif master is None or key_id != public_key:
        raise NotFound("There is no such key")
    elif user_id == signer:
        stored = master
        signing = _device_signing_keys(keys.devices)
    else:
        stored = master
        signing = _named(keys.public_key(USER_SIGNING))
    new = _new_signatures(stored, signed, signer, signing)
    if user_id != signer:
        accepted.on_others += [
            UserSignature(user_id, key_id, name, signature) for name, signature in new.items()
        ]
    elif key_id not in keys.devices:
        accepted.on_master.update(new)
    elif new:
        accepted.on_devices[DeviceId(key_id)] = new


def _new_signatures(
    stored: JsonObject, signed: JsonObject, signer: UserId, signing: Mapping[str, str]
) -> dict[str, str]:
    """The signatures of the signer that ``stored`` does not have, all of them right."""
    try:
        made = signatures_of(signed).get(signer, {})
    except BadJson as error:
        raise InvalidParam(error.message) from error
    if not signs_the_same(stored, signed):
        raise InvalidParam("The object is not the key that was uploaded")
    if not made:
        raise BadSignature("There is no signature of yours")
    known = signatures_of(stored).get(signer, {})
    new = {name: value for name, value in made.items() if known.get(name) != value}
    for name in new:
        if name not in signing:
            raise BadSignature(f"The key {name} does not sign such keys")
        check_signed_by(signed, signer, name, signing[name])
    return new


def _named(public_key: str | None) -> dict[str, str]:
    return {f"{ED25519}:{public_key}": public_key} if public_key is not None else {}


def _device_signing_keys(devices: Mapping[str, JsonObject]) -> dict[str, str]:
    return {
        key_id: public_key
        for device_id, keys in devices.items()
        for key_id, public_key in keys["keys"].items()
        if key_id == f"{ED25519}:{device_id}"
    }
