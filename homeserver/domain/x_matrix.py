"""The Authorization header of requests between servers, and what its signature covers.

Specification: server-server API, "Request Authentication"; RFC 9110, section 11.4.
"""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.errors import InvalidParam, Unauthorized
from homeserver.domain.identifiers import ServerName, parse_key_id, parse_server_name
from homeserver.domain.signing import SigningKey, encode_base64

SCHEME: Final = "X-Matrix"

_SCHEME = re.compile(r"[ \t]*x-matrix[ \t]+", re.IGNORECASE)
# Values that are not quoted may have characters that tokens may not: older servers send colons.
_PARAMETER = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s",\\]+))[ \t]*(?=,|\Z)"""
)
_SEPARATOR = re.compile(r"[ \t,]*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@attrs.frozen
class XMatrix:
    """The parameters of the header; ``signature`` is in unpadded Base64.

    ``destination`` is None in requests of servers that implement version 1.2 or older.
    """

    origin: ServerName
    destination: ServerName | None
    key_id: str
    signature: str

    def header(self) -> str:
        """The header's value."""
        destination = "" if self.destination is None else f'destination="{self.destination}",'
        return (
            f'{SCHEME} origin="{self.origin}",{destination}'
            f'key="{self.key_id}",sig="{self.signature}"'
        )


def is_x_matrix(header: str) -> bool:
    """Whether the value of an Authorization header has this scheme."""
    return _SCHEME.match(header) is not None


def parse_x_matrix(header: str) -> XMatrix:
    """Read the value of an Authorization header. Raises Unauthorized."""
    parameters = _parameters(header)
    try:
        destination = parameters.get("destination")
        key_id = parameters["key"]
        parse_key_id(key_id)
        return XMatrix(
            origin=parse_server_name(parameters["origin"]),
            destination=None if destination is None else parse_server_name(destination),
            key_id=key_id,
            # The text of the specification has both names, its example the first.
            signature=parameters["sig"] if "sig" in parameters else parameters["signature"],
        )
    except KeyError as error:
        raise Unauthorized(f"The Authorization header has no {error.args[0]}") from error
    except InvalidParam as error:
        raise Unauthorized(f"The Authorization header is malformed: {error.message}") from error


def _parameters(header: str) -> dict[str, str]:
    scheme = _SCHEME.match(header)
    if scheme is None:
        raise Unauthorized("The request is not authenticated with X-Matrix")
    found: dict[str, str] = {}
    position = _after_separator(header, scheme.end())
    while position < len(header):
        parameter = _PARAMETER.match(header, position)
        if parameter is None:
            raise Unauthorized("The Authorization header is malformed")
        name, quoted = parameter["name"].lower(), parameter["quoted"]
        if name in found:
            raise Unauthorized(f"The Authorization header has more than one {name}")
        found[name] = parameter["bare"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
        position = _after_separator(header, parameter.end())
    return found


def _after_separator(header: str, position: int) -> int:
    separator = _SEPARATOR.match(header, position)
    return position if separator is None else separator.end()


def request_object(
    method: str,
    uri: str,
    origin: ServerName,
    destination: ServerName,
    content: Any = None,
) -> JsonObject:
    """The JSON object that a request is signed as, without signatures.

    ``uri`` is the path with the query, as it is sent; ``content`` is None for requests that have
    no body.
    """
    request = {"method": method, "uri": uri, "origin": origin, "destination": destination}
    return request if content is None else {**request, "content": content}


def sign_request(
    method: str,
    uri: str,
    origin: ServerName,
    destination: ServerName,
    key: SigningKey,
    body: bytes | None = None,
) -> XMatrix:
    """Sign a request whose body is already encoded as canonical JSON, as the sender chose to."""
    request = encode_lenient_json(request_object(method, uri, origin, destination))
    if body is not None:
        # Of the keys in the object, "content" is the first.
        request = b'{"content":' + body + b"," + request[1:]
    return XMatrix(origin, destination, key.key_id, encode_base64(key.sign(request)))
