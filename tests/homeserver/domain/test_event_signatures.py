from __future__ import annotations

import pytest

from homeserver.domain.errors import TooLarge
from homeserver.domain.event_format import MAX_EVENT_BYTES
from homeserver.domain.event_signatures import add_signatures, sign_event, verify_event_signature
from homeserver.domain.events import Event
from homeserver.domain.identifiers import RoomId, ServerName
from homeserver.domain.room_versions import RoomVersion, room_version
from homeserver.domain.signing import InvalidSignature, SigningKey
from tests.homeserver.domain.pdus import (
    HASH,
    KEY,
    SERVER,
    a_pdu,
    all_versions,
    an_event,
)

V12 = room_version("12")


OTHER = ServerName("resident.example.com")
OTHER_KEY = SigningKey.from_seed("r", HASH)


@all_versions
def test_a_second_server_signs_without_changing_the_event(version: RoomVersion) -> None:
    event = an_event(version)

    signed = sign_event(event, OTHER, OTHER_KEY)

    assert signed.event_id == event.event_id
    assert Event.from_pdu(signed.pdu, version) == signed
    for server, key in ((SERVER, KEY), (OTHER, OTHER_KEY)):
        verify_event_signature(
            signed.pdu_object(), version, server, key.key_id, key.verify_key_base64
        )


def test_a_missing_or_foreign_signature_does_not_verify() -> None:
    signed = add_signatures(an_event(V12), {OTHER: {"ed25519:r": "AAAA"}})

    for server, key_id in ((OTHER, "ed25519:r"), (OTHER, "ed25519:x")):
        with pytest.raises(InvalidSignature):
            verify_event_signature(
                signed.pdu_object(), V12, server, key_id, OTHER_KEY.verify_key_base64
            )


def test_a_changed_event_does_not_verify() -> None:
    pdu = {**a_pdu(V12), "room_id": RoomId("!" + "x" * 43)}

    with pytest.raises(InvalidSignature):
        verify_event_signature(pdu, V12, SERVER, KEY.key_id, KEY.verify_key_base64)


def test_signatures_count_for_the_size() -> None:
    overhead = len(an_event(V12, content={"body": ""}).pdu)
    event = an_event(V12, content={"body": "a" * (MAX_EVENT_BYTES - overhead)})

    with pytest.raises(TooLarge):
        sign_event(event, OTHER, OTHER_KEY)
