"""Checking what other servers have signed, many things at once and on other threads.

Appendices, "Checking for a Signature"; server-server API, "Validating hashes and signatures on
received events".
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from federation.keys.key_response import is_understood
from federation.keys.key_ring import AT_ANY_TIME, KeyRequest, KeyRing
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import MatrixError
from homeserver.domain.event_hashes import essential_bytes
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName
from homeserver.domain.signature_requirements import required_signing_servers
from homeserver.domain.signing import InvalidSignature, signed_bytes, verify_signature
from homeserver.ports.threads import RunInThread

BATCH: Final = 50
"""How many objects a thread checks before it takes the next ones."""

MOST_SIGNATURES: Final = 10
"""How many signatures of one server on an object are looked at."""


class Outcome(enum.Enum):
    """What came of checking the signatures of an object."""

    VALID = "signed by every server that must have signed"
    INVALID = "a signature is missing or wrong"
    UNKNOWN_KEY = "a key could not be had, or was not good at the time; later it may be"


@attrs.frozen
class SignedObject:
    """A JSON object that some servers must have signed, with keys that were good at a time."""

    content: JsonObject
    servers: frozenset[ServerName]
    valid_at_ms: int


@attrs.frozen
class _Claim:
    """What is to be checked: for each server the signatures by the key they claim."""

    signatures: Sequence[Mapping[KeyRequest, str]]
    message: Callable[[], bytes]


class SignatureChecker:
    """Checks signatures with the keys of a ring.

    A server has signed when one of its signatures is right.
    """

    def __init__(self, keys: KeyRing, run_in_thread: RunInThread) -> None:
        self._keys = keys
        self._run_in_thread = run_in_thread

    async def check_events(self, events: Sequence[Event]) -> list[Outcome]:
        """Whether each event is signed by the servers that must have signed it."""
        return await self._check([_claim_of_event(event) for event in events])

    async def check_objects(self, objects: Sequence[SignedObject]) -> list[Outcome]:
        """Whether each object is signed by its servers."""
        return await self._check([_claim_of_object(each) for each in objects])

    async def _check(self, claims: Sequence[_Claim | None]) -> list[Outcome]:
        requests = {
            request
            for claim in claims
            if claim is not None
            for by_key in claim.signatures
            for request in by_key
        }
        keys = await self._keys.keys_for(requests)
        batches = [
            self._run_in_thread(_outcomes, claims[start : start + BATCH], keys)
            for start in range(0, len(claims), BATCH)
        ]
        return [outcome for batch in batches for outcome in await batch]


class _Signatures(msgspec.Struct):
    signatures: Any = None


_read_signatures = msgspec.json.Decoder(_Signatures).decode


def _claim_of_event(event: Event) -> _Claim | None:
    """None for an event that cannot be valid."""
    valid_at_ms = event.origin_server_ts if event.version.enforce_key_validity else AT_ANY_TIME
    try:
        servers = required_signing_servers(event)
    except MatrixError:
        return None
    signatures = _read_signatures(event.pdu).signatures
    return _Claim(
        _by_server(signatures, servers, valid_at_ms),
        lambda: essential_bytes(event.pdu_object(), event.version),
    )


def _claim_of_object(signed: SignedObject) -> _Claim:
    signatures = signed.content.get("signatures")
    return _Claim(
        _by_server(signatures, signed.servers, signed.valid_at_ms),
        lambda: signed_bytes(signed.content),
    )


def _by_server(
    signatures: Any, servers: Iterable[ServerName], valid_at_ms: int
) -> list[dict[KeyRequest, str]]:
    return [_of_server(signatures, server, valid_at_ms) for server in servers]


def _of_server(signatures: Any, server: ServerName, valid_at_ms: int) -> dict[KeyRequest, str]:
    by_key = signatures.get(server) if isinstance(signatures, dict) else None
    if not isinstance(by_key, dict):
        return {}
    understood = [
        (key_id, signature)
        for key_id, signature in by_key.items()
        if is_understood(key_id) and isinstance(signature, str)
    ]
    return {
        KeyRequest(server, key_id, valid_at_ms): signature
        for key_id, signature in understood[:MOST_SIGNATURES]
    }


def _outcomes(claims: Sequence[_Claim | None], keys: Mapping[KeyRequest, str]) -> list[Outcome]:
    return [Outcome.INVALID if claim is None else _outcome(claim, keys) for claim in claims]


def _outcome(claim: _Claim, keys: Mapping[KeyRequest, str]) -> Outcome:
    try:
        message = claim.message()
    except MatrixError:
        return Outcome.INVALID
    outcomes = {_outcome_of_server(by_key, keys, message) for by_key in claim.signatures}
    for outcome in (Outcome.INVALID, Outcome.UNKNOWN_KEY):
        if outcome in outcomes:
            return outcome
    return Outcome.VALID


def _outcome_of_server(
    by_key: Mapping[KeyRequest, str], keys: Mapping[KeyRequest, str], message: bytes
) -> Outcome:
    for request, signature in by_key.items():
        key = keys.get(request)
        if key is None:
            continue
        try:
            verify_signature(message, signature, key)
        except InvalidSignature:
            continue
        return Outcome.VALID
    return Outcome.INVALID if all(request in keys for request in by_key) else Outcome.UNKNOWN_KEY
