"""Events: immutable values around the bytes of a PDU, and how they are read and built.

Specification: "Room Versions", "Event format"; server-server API, "PDUs" and "Signing Events".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import msgspec

from homeserver.domain.canonical_json import (
    JsonObject,
    check_canonical,
    encode_checked_json,
    encode_lenient_json,
)
from homeserver.domain.event_format import (
    check_event_format,
    check_event_size,
    check_field_size,
    is_room_creation,
)
from homeserver.domain.event_hashes import reference_hash
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.domain.pdu_fields import read_pdu_fields
from homeserver.domain.room_versions import EventFormat, RoomVersion
from homeserver.domain.signing import SigningKey, encode_base64

StateKey: TypeAlias = tuple[str, str]
"""The type and the ``state_key`` of a state event."""
StateMap: TypeAlias = Mapping[StateKey, EventId]
"""The state of a room: which event holds each entry."""


class Event(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An event of a room, with its commonly used fields at hand.

    Two events are equal when they have the same ID and bytes. An event and its redacted form have
    the same ID.
    """

    event_id: EventId
    room_id: RoomId
    type: str
    sender: UserId
    state_key: str | None
    origin_server_ts: int
    """Milliseconds since 1970 by the clock of the sender's server."""
    depth: int
    prev_event_ids: tuple[EventId, ...]
    auth_event_ids: tuple[EventId, ...]
    redacts: EventId | None
    """Which event an `m.room.redaction` redacts, wherever the room version puts it."""
    version: RoomVersion
    pdu: bytes
    """Canonical JSON of the event in the federation format, signed, without ``unsigned``."""
    raw_content: bytes
    """Canonical JSON of the content."""
    _content: JsonObject | None = None

    @classmethod
    def from_pdu(cls, pdu: bytes, version: RoomVersion, event_id: EventId | None = None) -> Event:
        """Read an event that was checked before, such as one from the database.

        ``pdu`` is as in the attribute. Without ``event_id`` it is taken or computed from ``pdu``.
        """
        if event_id is None:
            event_id = _event_id_of(msgspec.json.decode(pdu, type=dict), version)
        fields = read_pdu_fields(pdu, version)
        return cls(
            event_id,
            fields.room_id or _room_id_of_creation(event_id),
            fields.type,
            fields.sender,
            fields.state_key,
            fields.origin_server_ts,
            fields.depth,
            fields.prev_event_ids,
            fields.auth_event_ids,
            fields.redacted_id(version),
            version,
            pdu,
            bytes(fields.content),
        )

    @property
    def content(self) -> JsonObject:
        """The decoded content. It is decoded once and shared: do not change it."""
        content = self._content
        if content is None:
            content = msgspec.json.decode(self.raw_content, type=dict)
            msgspec.structs.force_setattr(self, "_content", content)
        return content

    @property
    def is_state(self) -> bool:
        return self.state_key is not None

    def state_map_key(self) -> StateKey:
        """The entry of the room state that this state event sets.

        Raises ValueError for other events.
        """
        if self.state_key is None:
            raise ValueError(f"{self.event_id} is not a state event")
        return self.type, self.state_key

    def pdu_object(self) -> JsonObject:
        """A new decoded copy of the PDU, which the caller may change."""
        pdu: JsonObject = msgspec.json.decode(self.pdu, type=dict)
        return pdu

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self.event_id == other.event_id and self.pdu == other.pdu

    def __hash__(self) -> int:
        return hash(self.event_id)

    def __repr__(self) -> str:
        return f"Event({self.event_id!r}, type={self.type!r}, state_key={self.state_key!r})"


@attrs.frozen
class EventDraft:
    """What the author of an event decides; `build_event` adds the rest."""

    room_id: RoomId | None
    """None only for the create event of a room whose ID is the hash of that event."""
    type: str
    sender: UserId
    state_key: str | None
    content: JsonObject
    origin_server_ts: int
    redacts: EventId | None = None


@attrs.frozen
class EventReference:
    """An event as another one refers to it.

    ``sha256`` is the reference hash in unpadded Base64; only room versions 1 and 2 write it.
    """

    event_id: EventId
    sha256: str


def reference_of(event: Event) -> EventReference:
    """How later events refer to ``event``."""
    match event.version.event_format:
        case EventFormat.V1:
            sha256 = reference_hash(event.pdu_object(), event.version)
        case EventFormat.V3:
            sha256 = event.event_id[1:]
        case EventFormat.V4:
            sha256 = event.event_id[1:].replace("-", "+").replace("_", "/")
    return EventReference(event.event_id, sha256)


def parse_pdu(obj: JsonObject, version: RoomVersion) -> Event:
    """Read an event from another server; ``unsigned`` is dropped.

    Checks the event format of the room version, but neither hashes nor signatures. Raises BadJson
    or TooLarge.
    """
    pdu = {key: value for key, value in obj.items() if key != "unsigned"}
    check_event_format(pdu, version)
    encoded = encode_lenient_json(pdu)
    check_event_size(encoded)
    return Event.from_pdu(encoded, version, _event_id_of(pdu, version))


def build_event(
    draft: EventDraft,
    version: RoomVersion,
    *,
    prev_events: Sequence[EventReference],
    auth_events: Sequence[EventReference],
    depth: int,
    server_name: ServerName,
    signing_key: SigningKey,
    event_id: EventId | None = None,
) -> Event:
    """Make a new event: complete the draft, hash it and sign it as ``server_name``.

    ``depth`` is cut to what the room version allows. ``event_id`` is required where the event
    format has it in the PDU, and not allowed otherwise. Raises BadJson for content that is not
    canonical JSON, in every room version, and TooLarge.
    """
    if (event_id is None) == (version.event_format is EventFormat.V1):
        raise ValueError("The event format decides whether an event ID is given or computed")
    content = _content_of(draft, version)
    pdu = _unsigned_pdu(draft, version, prev_events, auth_events, depth)
    if event_id is not None:
        pdu["event_id"] = event_id

    raw_content = encode_checked_json(content)
    pdu["content"] = msgspec.Raw(raw_content)
    pdu["hashes"] = {"sha256": _sha256(encode_checked_json(pdu))}
    essential = version.redaction_rules.redact({**pdu, "content": content})
    essential_bytes = encode_checked_json(essential)
    signature = encode_base64(signing_key.sign(essential_bytes))
    pdu["signatures"] = {server_name: {signing_key.key_id: signature}}
    encoded = encode_checked_json(pdu)
    check_event_size(encoded)

    if event_id is None:
        event_id = _hashed_event_id(_sha256(essential_bytes), version)
    return Event.from_pdu(encoded, version, event_id)


def _content_of(draft: EventDraft, version: RoomVersion) -> JsonObject:
    content = draft.content
    if draft.redacts is not None and version.redacts_in_content:
        content = {**content, "redacts": draft.redacts}
    check_canonical({"content": content, "origin_server_ts": draft.origin_server_ts})
    return content


def _unsigned_pdu(
    draft: EventDraft,
    version: RoomVersion,
    prev_events: Sequence[EventReference],
    auth_events: Sequence[EventReference],
    depth: int,
) -> JsonObject:
    """The fields of the PDU without event ID, content, hashes and signatures."""
    check_field_size("type", draft.type)
    pdu: JsonObject = {
        "type": draft.type,
        "sender": draft.sender,
        "origin_server_ts": draft.origin_server_ts,
        "depth": min(depth, version.max_depth),
        "prev_events": _references(prev_events, version),
        "auth_events": _references(auth_events, version),
    }
    if draft.state_key is not None:
        check_field_size("state_key", draft.state_key)
        pdu["state_key"] = draft.state_key
    if draft.room_id is not None:
        pdu["room_id"] = draft.room_id
    elif not is_room_creation(draft.type, version):
        raise ValueError("Only the create event can go without a room ID, if its hash is that ID")
    if draft.redacts is not None and not version.redacts_in_content:
        pdu["redacts"] = draft.redacts
    return pdu


def _references(references: Sequence[EventReference], version: RoomVersion) -> list[Any]:
    if version.event_format is EventFormat.V1:
        return [
            [reference.event_id, {"sha256": reference.sha256} if reference.sha256 else {}]
            for reference in references
        ]
    return [reference.event_id for reference in references]


def _event_id_of(pdu: JsonObject, version: RoomVersion) -> EventId:
    if version.event_format is EventFormat.V1:
        return EventId(pdu["event_id"])
    return _hashed_event_id(reference_hash(pdu, version), version)


def _hashed_event_id(sha256: str, version: RoomVersion) -> EventId:
    """The event ID of a reference hash in standard Base64."""
    if version.event_format is EventFormat.V4:
        sha256 = sha256.replace("+", "-").replace("/", "_")
    return EventId("$" + sha256)


def _room_id_of_creation(event_id: EventId) -> RoomId:
    return RoomId("!" + event_id[1:])


def _sha256(data: bytes) -> str:
    return encode_base64(hashlib.sha256(data).digest())
