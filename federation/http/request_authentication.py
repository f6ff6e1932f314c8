"""Which server makes a request: its signature, checked.

Server-server API, "Request Authentication".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import attrs
import msgspec

from federation.keys.key_response import is_understood
from federation.keys.key_ring import KeyRequest, KeyRing
from homeserver.domain.canonical_json import JsonObject, encode_lenient_json
from homeserver.domain.errors import Forbidden, NotJson, Unauthorized
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signing import InvalidSignature, verify_signature
from homeserver.domain.x_matrix import XMatrix, is_x_matrix, parse_x_matrix, request_object
from homeserver.http.rate_limits import RateLimiter
from homeserver.http.request import Request
from homeserver.http.routes import RateClass
from homeserver.ports.threads import RunInThread

MOST_SIGNATURES: Final = 5
"""How many Authorization headers a request may have."""

CHECKED_AT_ONCE_BYTES: Final = 32 * 1024
"""Larger bodies are encoded and checked on another thread: smaller ones take less time than that
would."""


@attrs.frozen
class Hearing:
    """Whom this server listens to, and who is told when another was heard from.

    A request that cannot be believed costs its address something of ``rates``.
    """

    peers: FederationPeers
    rates: RateLimiter
    heard_from: Callable[[ServerName], None]


class RequestAuthentication:
    """Checks the signatures of requests.

    See :class:`homeserver.http.authentication.OriginAuthenticator`.
    """

    def __init__(self, keys: KeyRing, hearing: Hearing, run_in_thread: RunInThread) -> None:
        self._keys = keys
        self._hearing = hearing
        self._run_in_thread = run_in_thread

    async def authenticate(self, request: Request) -> ServerName:
        """The server that has signed a request, with a key that is good now."""
        claims = self._claims(request)
        origin = claims[0].origin
        if not self._hearing.peers.allows(origin):
            raise Forbidden("This server does not talk to yours")
        # Whoever names others, and is not believed, pays for the work.
        self._hearing.rates.spend(RateClass.FEDERATION, request.address)
        wanted = [KeyRequest(origin, claim.key_id, request.received_ms) for claim in claims]
        if request.content_length:
            # A body that is no object is found out before anybody is asked for a key. Its parts
            # are for the handler, to which one that cannot be read may matter little.
            request.body_members()
        keys = await self._keys.keys_for(wanted)
        signatures = [
            (claim.signature, keys[key])
            for claim, key in zip(claims, wanted, strict=True)
            if key in keys
        ]
        if not signatures:
            raise Unauthorized("The key of the signature cannot be had, or has expired")
        head = request_object(request.method, request.target, origin, self._keys.server)
        if not request.content_length:
            _check([encode_lenient_json(head)], signatures)
        elif request.content_length <= CHECKED_AT_ONCE_BYTES:
            _check(_with_body(head, request.body_bytes()), signatures)
        else:
            messages = _with_body(head, request.body_bytes())
            await self._run_in_thread(_check, messages, signatures)
        self._hearing.rates.give_back(RateClass.FEDERATION, request.address)
        self._hearing.heard_from(origin)
        return origin

    def _claims(self, request: Request) -> list[XMatrix]:
        """What the request says of who signed it: one origin, at least one key. Unauthorized."""
        headers = [each for each in request.headers.get_all("authorization") if is_x_matrix(each)]
        if not headers:
            raise Unauthorized("The request is not signed")
        if len(headers) > MOST_SIGNATURES:
            raise Unauthorized("The request has too many signatures")
        claims = [parse_x_matrix(header) for header in headers]
        claims = [claim for claim in claims if is_understood(claim.key_id)]
        if not claims:
            raise Unauthorized("The request is not signed with a key of a known kind")
        if any(claim.origin != claims[0].origin for claim in claims):
            raise Unauthorized("The request has more than one origin")
        if claims[0].origin == self._keys.server:
            raise Unauthorized("This server does not send requests to itself")
        # Servers that implement version 1.2 or older do not say for whom they sign.
        if any(claim.destination not in (None, self._keys.server) for claim in claims):
            raise Unauthorized("The request is for another server")
        return claims


def _with_body(head: JsonObject, body: bytes) -> Iterator[bytes]:
    """What a server may have signed whose request has a body: the text of one JSON object.

    Most send canonical JSON, so that it need not be encoded again. Of the keys in the signed object
    "content" is the first. Raises NotJson for a body that is not canonical and cannot be read.
    """
    yield b'{"content":' + body + b"," + encode_lenient_json(head)[1:]
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotJson() from None
    yield encode_lenient_json({**head, "content": content})


def _check(messages: Iterable[bytes], signatures: Sequence[tuple[str, str]]) -> None:
    """Raises Unauthorized unless one of the signatures is that of its key of one of the messages,
    and BadJson and NotJson for what has no canonical encoding."""
    for message in messages:
        for signature, key in signatures:
            try:
                verify_signature(message, signature, key)
            except InvalidSignature:
                continue
            return
    raise Unauthorized("The signature of the request is wrong")
