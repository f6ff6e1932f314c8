"""The checks of an event from another server that need nothing but the event.

Server-server API, "Checks performed on receipt of a PDU", steps 1 to 3: its format, its signatures,
and its content hash, where an event of which the hash does not match is redacted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import attrs

from federation.inbound.outcomes import Outcome
from federation.keys.signature_checker import Outcome as SignatureOutcome
from federation.keys.signature_checker import SignatureChecker
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import MatrixError
from homeserver.domain.event_hashes import content_hash_matches, reference_hash
from homeserver.domain.events import Event, parse_pdu
from homeserver.domain.identifiers import EventId
from homeserver.domain.redaction import redacted_event
from homeserver.domain.room_versions import EventFormat, RoomVersion
from homeserver.ports.threads import RunInThread

CHUNK: Final = 50
"""How many events a thread reads before it takes the next ones."""


@attrs.frozen
class Refusal:
    """Why an event is dropped. ``event_id`` is None where it cannot be told."""

    event_id: EventId | None
    outcome: Outcome
    reason: str


Checked: TypeAlias = Event | Refusal


class EventChecks:
    """Reads what other servers call events."""

    def __init__(self, signatures: SignatureChecker, run_in_thread: RunInThread) -> None:
        self._signatures = signatures
        self._run_in_thread = run_in_thread

    async def checked(self, pdus: Sequence[JsonObject], version: RoomVersion) -> list[Checked]:
        """Each of some PDUs of a room version, as an event or as a refusal, in their order.

        An event whose hash does not match is in its redacted form.
        """
        return await self.checked_each([(pdu, version) for pdu in pdus])

    async def checked_each(self, pdus: Sequence[tuple[JsonObject, RoomVersion]]) -> list[Checked]:
        """As `checked`, for PDUs of several room versions."""
        return await self.verified(await self.read(pdus))

    async def read(self, pdus: Sequence[tuple[JsonObject, RoomVersion]]) -> list[Checked]:
        """The first step alone: the events, by their format."""
        chunks = [pdus[start : start + CHUNK] for start in range(0, len(pdus), CHUNK)]
        return [each for chunk in chunks for each in await self._run_in_thread(_read_all, chunk)]

    async def verified(self, read: Sequence[Checked]) -> list[Checked]:
        """The steps after `read`: signatures and hashes. Refusals stay what they are."""
        events = [each for each in read if isinstance(each, Event)]
        outcomes = await self._signatures.check_events(events)
        signed = [
            event
            for event, outcome in zip(events, outcomes, strict=True)
            if outcome is SignatureOutcome.VALID
        ]
        refused = {
            id(event): _unsigned(event, outcome)
            for event, outcome in zip(events, outcomes, strict=True)
            if outcome is not SignatureOutcome.VALID
        }
        whole: dict[int, Event] = {}
        for start in range(0, len(signed), CHUNK):
            chunk = signed[start : start + CHUNK]
            hashed = await self._run_in_thread(_as_hashed, chunk)
            whole.update((id(event), form) for event, form in zip(chunk, hashed, strict=True))
        return [
            each if isinstance(each, Refusal) else refused.get(id(each)) or whole[id(each)]
            for each in read
        ]


def _read_all(pdus: Sequence[tuple[JsonObject, RoomVersion]]) -> list[Checked]:
    return [_read(pdu, version) for pdu, version in pdus]


def _read(pdu: JsonObject, version: RoomVersion) -> Checked:
    try:
        event = parse_pdu(pdu, version)
    except MatrixError as error:
        return Refusal(event_id_of(pdu, version), Outcome.MALFORMED, error.message)
    for text in (event.type, event.state_key, event.redacts):
        if text is not None and "\0" in text:
            reason = "U+0000 is not allowed in types and keys"
            return Refusal(event.event_id, Outcome.MALFORMED, reason)
    if event.event_id in event.prev_event_ids or event.event_id in event.auth_event_ids:
        return Refusal(event.event_id, Outcome.MALFORMED, "The event follows itself")
    return event


def event_id_of(pdu: JsonObject, version: RoomVersion) -> EventId | None:
    """The ID of a PDU that may be malformed; None where it has none."""
    if version.event_format is EventFormat.V1:
        event_id = pdu.get("event_id")
        return EventId(event_id) if isinstance(event_id, str) else None
    if not isinstance(pdu.get("type"), str) or not isinstance(pdu.get("content"), dict):
        return None
    try:
        hashed = reference_hash(pdu, version)
    except MatrixError:
        return None
    if version.event_format is EventFormat.V4:
        hashed = hashed.replace("+", "-").replace("/", "_")
    return EventId(f"${hashed}")


def _unsigned(event: Event, outcome: SignatureOutcome) -> Refusal:
    if outcome is SignatureOutcome.UNKNOWN_KEY:
        return Refusal(event.event_id, Outcome.KEY_UNAVAILABLE, outcome.value)
    return Refusal(event.event_id, Outcome.BAD_SIGNATURE, outcome.value)


def _as_hashed(events: Sequence[Event]) -> list[Event]:
    return [
        event if content_hash_matches(event.pdu_object()) else redacted_event(event)
        for event in events
    ]
