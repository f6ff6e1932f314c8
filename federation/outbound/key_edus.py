"""EDUs that tell of changed keys.

Server-server API, "Device Management": each change of a user's devices refers to the one before it
that the destination was sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING
from homeserver.domain.identifiers import UserId
from homeserver.ports.federation.outbound import DeviceChange, OwnDevice

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def key_edus(
    changes: Sequence[DeviceChange],
    devices: Iterable[OwnDevice],
    signing_keys: Mapping[UserId, Mapping[str, bytes]],
) -> list[JsonObject]:
    """EDUs for changes, with the present keys of the users' ``devices``; of several changes of a
    device the last one is told. A device that is not there any more is deleted."""
    present = {(device.user_id, device.device_id): device for device in devices}
    by_user: dict[UserId, list[DeviceChange]] = defaultdict(list)
    for change in changes:
        by_user[change.user_id].append(change)
    edus = [edu for some in by_user.values() for edu in _updates(some, present)]
    return edus + [_signing_key_update(*each) for each in signing_keys.items()]


def _updates(
    changes: Sequence[DeviceChange], present: Mapping[tuple[UserId, str], OwnDevice]
) -> Iterator[JsonObject]:
    ordered = sorted(changes, key=lambda change: change.stream_id)
    last = {change.device_id: change for change in ordered}
    # They are counted without gaps, so the destination has the one before the first of these.
    previous = ordered[0].stream_id - 1
    for change in sorted(last.values(), key=lambda change: change.stream_id):
        content: JsonObject = {
            "device_id": change.device_id,
            "prev_id": [previous] if previous else [],
            "stream_id": change.stream_id,
            "user_id": change.user_id,
        }
        device = present.get((change.user_id, change.device_id))
        if device is None:
            content["deleted"] = True
        else:
            content["keys"] = _decode(device.keys)
            if device.display_name is not None:
                content["device_display_name"] = device.display_name
        previous = change.stream_id
        yield {"content": content, "edu_type": "m.device_list_update"}


def _signing_key_update(user_id: UserId, keys: Mapping[str, bytes]) -> JsonObject:
    content: JsonObject = {"user_id": user_id}
    for usage in (MASTER, SELF_SIGNING):
        if usage in keys:
            content[f"{usage}_key"] = _decode(keys[usage])
    return {"content": content, "edu_type": "m.signing_key_update"}
