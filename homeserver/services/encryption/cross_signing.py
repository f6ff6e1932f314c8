"""Publishing cross-signing keys.

Client-server API, "Cross-signing". The first keys, and the same keys again, need no authentication
beyond the access token; changing them does.
"""

from __future__ import annotations

import enum
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
    CrossSigningKey,
    check_signed_by,
    parse_cross_signing_key,
)
from homeserver.domain.device_keys import signs_the_same
from homeserver.domain.errors import Forbidden, MissingParam
from homeserver.domain.identifiers import UserId
from homeserver.log.log import Log
from homeserver.ports.database import Transaction
from homeserver.ports.encryption.cross_signing import CrossSigningRow, CrossSigningStore
from homeserver.services.encryption.device_list_changes import DeviceListChanges

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Outcome(enum.Enum):
    DONE = enum.auto()
    UNAUTHORISED = enum.auto()
    KEY_ID_IN_USE = enum.auto()


@attrs.frozen(slots=True)
class CrossSigningUpload:
    """The keys to publish, by usage."""

    keys: Mapping[str, CrossSigningKey]


def parse_upload(user_id: UserId, keys: Mapping[str, JsonObject | None]) -> CrossSigningUpload:
    """Uploaded keys by usage. Raises as `parse_cross_signing_key`."""
    return CrossSigningUpload(
        {
            usage: parse_cross_signing_key(key, user_id, usage)
            for usage, key in keys.items()
            if key is not None
        }
    )


class CrossSigning:
    """Stores the cross-signing keys of users."""

    def __init__(self, store: CrossSigningStore, changes: DeviceListChanges, log: Log) -> None:
        self._store = store
        self._changes = changes
        self._log = log

    async def upload(
        self, user_id: UserId, upload: CrossSigningUpload, *, authorised: bool
    ) -> bool:
        """Publish keys; False when the user must authorise that and has not.

        Raises MissingParam when there is no master key to hold the others together, BadSignature
        for one that the master key did not sign, Forbidden for a key with the name of a device.
        """
        stored = await self._log.read(self._store.read, user_id)
        _check_signatures(user_id, upload, stored)
        if not _new_keys(upload, stored):
            return True
        if _needs_authorisation(stored) and not authorised:
            return False
        outcome = await self._changes.write(
            user_id, lambda tx, position: self._publish(tx, user_id, upload, authorised)
        )
        if outcome is _Outcome.KEY_ID_IN_USE:
            raise Forbidden("Key ID in use")
        return outcome is _Outcome.DONE

    def _publish(
        self, tx: Transaction, user_id: UserId, upload: CrossSigningUpload, authorised: bool
    ) -> _Outcome:
        stored = self._store.read(tx, user_id)
        new = _new_keys(upload, stored)
        if new and _needs_authorisation(stored) and not authorised:
            # Another request has published keys meanwhile.
            return _Outcome.UNAUTHORISED
        if self._store.devices_named(tx, user_id, [key.public_key for key in new]):
            return _Outcome.KEY_ID_IN_USE
        if any(key.usage == MASTER for key in new):
            # The old master key has signed them, the new one has not.
            self._store.remove(tx, user_id, [SELF_SIGNING, USER_SIGNING])
            new = list(upload.keys.values())
        self._store.put(
            tx,
            [
                CrossSigningRow(
                    user_id, key.usage, key.public_key, encode_canonical_json(key.signed)
                )
                for key in new
            ],
        )
        return _Outcome.DONE


def _needs_authorisation(stored: Mapping[str, CrossSigningRow]) -> bool:
    return MASTER in stored


def _new_keys(
    upload: CrossSigningUpload, stored: Mapping[str, CrossSigningRow]
) -> list[CrossSigningKey]:
    return [
        key
        for usage, key in upload.keys.items()
        if usage not in stored or not signs_the_same(_decode(stored[usage].key), key.signed)
    ]


def _check_signatures(
    user_id: UserId, upload: CrossSigningUpload, stored: Mapping[str, CrossSigningRow]
) -> None:
    given = upload.keys.get(MASTER)
    master = given.public_key if given is not None else None
    if master is None and MASTER in stored:
        master = stored[MASTER].public_key
    for usage in (SELF_SIGNING, USER_SIGNING):
        key = upload.keys.get(usage)
        if key is None:
            continue
        if master is None:
            raise MissingParam("There is no master signing key")
        check_signed_by(key.signed, user_id, f"{ED25519}:{master}", master)
