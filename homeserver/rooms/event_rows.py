"""The rows that follow from an event, beside its own."""

from __future__ import annotations

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import InvalidParam
from homeserver.domain.events import Event
from homeserver.domain.identifiers import UserId
from homeserver.domain.redaction import redacted_event
from homeserver.domain.relations import relation_of
from homeserver.ports.rooms.events import MembershipRow, RedactionRow, RelationRow, StoredEvent
from homeserver.rooms.view import MEMBER


def require_storable(
    type: str, state_key: str | None, txn_id: str | None, content: JsonObject
) -> None:
    """Refuse U+0000 where rows hold it as text: not every database can store that, and an event
    that cannot be stored would take those after it down with it."""
    relation = relation_of(content)
    texts = [type, state_key, txn_id]
    if relation is not None:
        texts += [relation.rel_type, relation.target_event_id, relation.key]
    if any(text is not None and "\0" in text for text in texts):
        raise InvalidParam("U+0000 is not allowed in types, keys and relations")


def redacted_form(stored: StoredEvent, redaction: RedactionRow) -> StoredEvent:
    """The stored form of an event that a redaction took the content of."""
    return attrs.evolve(
        stored,
        event=Event.from_pdu(redaction.pdu, stored.event.version, stored.event.event_id),
        redacted_by=redaction.redacted_by,
        client=None,
    )


def membership_row(event: Event) -> MembershipRow | None:
    """What a member event says of its user; None for other events."""
    if event.type != MEMBER or event.state_key is None:
        return None
    name, avatar = event.content.get("displayname"), event.content.get("avatar_url")
    return MembershipRow(
        user_id=UserId(event.state_key),
        membership=str(event.content["membership"]),
        sender=event.sender,
        display_name=name.replace("\0", "") if type(name) is str else None,
        avatar_url=avatar.replace("\0", "") if type(avatar) is str else None,
    )


def redaction_row(event: Event, target: StoredEvent | None) -> RedactionRow | None:
    """What a redaction makes of the event it redacts, if that is there and was not redacted yet."""
    if target is None or event.type != "m.room.redaction" or target.redacted_by is not None:
        return None
    redacted = redacted_event(target.event)
    return RedactionRow(
        target_nid=target.nid,
        pdu=redacted.pdu,
        redacted_by=event.event_id,
        was_related=relation_of(target.event.content) is not None,
        member=UserId(target.event.state_key or "") if target.event.type == MEMBER else None,
    )


def relation_row(event: Event) -> RelationRow | None:
    """What an event relates to; None for state events, and where it relates to nothing."""
    relation = relation_of(event.content) if event.state_key is None else None
    if relation is None or relation.rel_type is None or relation.target_event_id is None:
        return None
    return RelationRow(relation.target_event_id, relation.rel_type, relation.key)
