"""The fields of a profile: their names, their values, and how large all of them may be.

Client-server API, "Profiles".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from homeserver.domain.canonical_json import JsonObject, check_lenient, encode_lenient_json
from homeserver.domain.errors import BadJson, InvalidParam, KeyTooLarge, ProfileTooLarge
from homeserver.domain.identifiers import is_namespaced_identifier, is_server_name

DISPLAY_NAME: Final = "displayname"
AVATAR_URL: Final = "avatar_url"
TIME_ZONE: Final = "m.tz"

MAX_PROFILE_BYTES: Final = 65_536
MAX_NAME_BYTES: Final = 255
MAX_DISPLAY_NAME_LENGTH: Final = 256
MAX_AVATAR_URL_LENGTH: Final = 1000

_TIME_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_MXC: Final = re.compile(r"mxc://(?P<server_name>[^/]+)/[A-Za-z0-9_-]+")


def check_field_name(name: str) -> None:
    """Check the name of a field that a client sets or deletes. Raises KeyTooLarge, InvalidParam.

    Names that the specification does not define must be namespaced, such as ``org.example.job``.
    """
    if len(name.encode()) > MAX_NAME_BYTES:
        raise KeyTooLarge()
    if name in (DISPLAY_NAME, AVATAR_URL):
        return
    if "." not in name or not is_namespaced_identifier(name):
        raise InvalidParam("This is not a valid name of a profile field")


def with_field(fields: Mapping[str, Any], name: str, value: Any) -> JsonObject:
    """A profile with a field set.

    An empty display name or avatar removes the field, as clients mean it. Raises BadJson and
    InvalidParam for a value that does not suit the field, and ProfileTooLarge.
    """
    if name in (DISPLAY_NAME, AVATAR_URL) and value == "":
        return without_field(fields, name)
    _check_value(name, value)
    changed = {**fields, name: value}
    if len(encode_profile(changed)) > MAX_PROFILE_BYTES:
        raise ProfileTooLarge()
    return changed


def without_field(fields: Mapping[str, Any], name: str) -> JsonObject:
    """A profile without a field."""
    return {other: value for other, value in fields.items() if other != name}


def encode_profile(fields: Mapping[str, Any]) -> bytes:
    """The JSON of a profile, whose length counts."""
    return encode_lenient_json(fields)


def _check_value(name: str, value: Any) -> None:
    check_lenient(value)
    if name == DISPLAY_NAME:
        _check_text(name, value, MAX_DISPLAY_NAME_LENGTH)
    elif name == AVATAR_URL:
        _check_text(name, value, MAX_AVATAR_URL_LENGTH)
        mxc = _MXC.fullmatch(value)
        if mxc is None or not is_server_name(mxc["server_name"]):
            raise InvalidParam("avatar_url must be an mxc:// URI")
    elif name == TIME_ZONE:
        _check_text(name, value, MAX_NAME_BYTES)
        if not _TIME_ZONE.fullmatch(value):
            raise InvalidParam("m.tz must be the name of a time zone, such as Europe/Paris")


def _check_text(name: str, value: Any, max_length: int) -> None:
    if not isinstance(value, str):
        raise BadJson(f"{name} must be a string")
    if len(value) > max_length:
        raise InvalidParam(f"{name} must have at most {max_length} characters")
    if "\0" in value:
        raise InvalidParam(f"{name} must not contain U+0000")
