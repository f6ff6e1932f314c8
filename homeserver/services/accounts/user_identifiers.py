"""Whom a client means when it says who it is.

Client-server API, "Identifier types".
"""

from __future__ import annotations

from typing import Any

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, InvalidParam, MatrixError, MissingParam
from homeserver.domain.identifiers import (
    ServerName,
    UserId,
    is_valid_localpart,
    localpart_of,
    make_user_id,
    parse_user_id,
    server_name_of,
)


class UnknownThirdPartyIdentifier(MatrixError):
    """The server knows nobody by this e-mail address or telephone number."""

    errcode = "M_FORBIDDEN"
    status = 403
    default_message = "The third-party identifier is not known"


def identified_user(credentials: JsonObject, server_name: ServerName) -> UserId | None:
    """The user of this server who is meant by ``identifier``, or by the older ``user``.

    None when there can be no such user. Raises MissingParam, BadJson, InvalidParam for an unknown
    type of identifier, and UnknownThirdPartyIdentifier: no account has any.
    """
    identifier = credentials.get("identifier")
    if identifier is None:
        if "medium" in credentials and "address" in credentials:
            raise UnknownThirdPartyIdentifier()
        return _local_user(_text(credentials, "user"), server_name)
    if not isinstance(identifier, dict):
        raise BadJson("`identifier` must be an object")
    kind = identifier.get("type")
    if kind in ("m.id.thirdparty", "m.id.phone") or (kind is None and "medium" in identifier):
        raise UnknownThirdPartyIdentifier()
    if kind is None:
        raise MissingParam("`identifier` has no `type`")
    if kind != "m.id.user":
        raise InvalidParam("The type of identifier is not known")
    return _local_user(_text(identifier, "user"), server_name)


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        raise MissingParam(f"`{name}` is missing")
    if not isinstance(value, str):
        raise BadJson(f"`{name}` must be a string")
    return value


def _local_user(user: str, server_name: ServerName) -> UserId | None:
    localpart = user
    try:
        if user.startswith("@"):
            user_id = parse_user_id(user)
            if server_name_of(user_id) != server_name:
                return None
            localpart = localpart_of(user_id)
        # Names are registered in lower case.
        localpart = localpart.lower()
        return make_user_id(localpart, server_name) if is_valid_localpart(localpart) else None
    except InvalidParam:
        return None
