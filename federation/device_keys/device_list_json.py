"""What other servers say of their users' devices, checked.

Whether signatures on keys are right is for clients to find out. A server is believed about its own
users, but for what cannot be stored or handed on.
"""

from __future__ import annotations

from typing import Any, Final

from homeserver.domain.canonical_json import JsonObject, encode_canonical_json
from homeserver.domain.cross_signing import MASTER, SELF_SIGNING, parse_cross_signing_key
from homeserver.domain.device_keys import check_device_keys
from homeserver.domain.errors import BadJson, MatrixError, TooLarge
from homeserver.domain.identifiers import DeviceId, UserId, parse_device_id
from homeserver.ports.federation.remote_device_lists import RemoteDevice, RemoteDeviceList

MOST_DEVICES: Final = 5_000
"""The longest list of a user's devices."""

MAX_STREAM_ID: Final = 2**53 - 1
MAX_DISPLAY_NAME: Final = 255
"""How many characters of a device's name are kept."""


def parse_stream_id(value: Any) -> int:
    """A place in the sequence of changes. Raises BadJson."""
    if type(value) is not int or not 0 <= value <= MAX_STREAM_ID:
        raise BadJson("`stream_id` must be an integer")
    return value


def parse_device(user_id: UserId, device: JsonObject) -> RemoteDevice | None:
    """A device; None for one without keys. Raises BadJson, InvalidParam and TooLarge."""
    device_id = device.get("device_id")
    if not isinstance(device_id, str):
        raise BadJson("`device_id` must be a string")
    name = device.get("device_display_name")
    return parse_keys(user_id, parse_device_id(device_id), device.get("keys"), name)


def parse_keys(
    user_id: UserId, device_id: DeviceId, keys: Any, display_name: Any
) -> RemoteDevice | None:
    """The keys of a device; None without any. Raises BadJson, InvalidParam and TooLarge."""
    if not keys:
        return None
    if not isinstance(keys, dict):
        raise BadJson("The keys of a device must be an object")
    checked = check_device_keys(keys, user_id, device_id)
    name = None
    if isinstance(display_name, str):
        name = display_name.replace("\0", "")[:MAX_DISPLAY_NAME]
    return RemoteDevice(user_id, device_id, encode_canonical_json(checked), name)


def parse_cross_signing(user_id: UserId, master: Any, self_signing: Any) -> dict[str, bytes]:
    """Cross-signing keys by usage; None stands for none. Raises BadJson, InvalidParam, TooLarge."""
    keys = {}
    for usage, key in ((MASTER, master), (SELF_SIGNING, self_signing)):
        if key is None:
            continue
        if not isinstance(key, dict):
            raise BadJson("A cross-signing key must be an object")
        keys[usage] = encode_canonical_json(parse_cross_signing_key(key, user_id, usage).signed)
    return keys


def parse_device_list(user_id: UserId, answer: JsonObject) -> RemoteDeviceList:
    """The answer to ``GET /user/devices/{userId}``; devices that cannot be are left out.

    Raises BadJson, InvalidParam and TooLarge.
    """
    if answer.get("user_id") != user_id:
        raise BadJson("The answer is about another user")
    devices = answer.get("devices")
    if not isinstance(devices, list):
        raise BadJson("`devices` must be an array")
    if len(devices) > MOST_DEVICES:
        raise TooLarge(f"A user has at most {MOST_DEVICES} devices")
    found = [_device_or_none(user_id, device) for device in devices]
    return RemoteDeviceList(
        stream_id=parse_stream_id(answer.get("stream_id")),
        devices=list({each.device_id: each for each in found if each is not None}.values()),
        cross_signing=parse_cross_signing(
            user_id, answer.get("master_key"), answer.get("self_signing_key")
        ),
    )


def _device_or_none(user_id: UserId, device: Any) -> RemoteDevice | None:
    try:
        return parse_device(user_id, device) if isinstance(device, dict) else None
    except MatrixError:
        return None
