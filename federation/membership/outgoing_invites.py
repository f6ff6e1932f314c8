"""Inviting users of other servers: their servers sign the invite before it counts.

Server-server API, "Inviting to a room" and "Third-party invites".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from federation.keys.signature_checker import Outcome, SignatureChecker, SignedObject
from federation.membership.event_intake import EventIntake
from federation.membership.failures import UnusableAnswer, as_told
from federation.membership.handshake import MEMBER
from federation.membership.room_description import description_of
from federation.transport.errors import FederationError, RemoteError
from federation.transport.federation_client import FederationClient
from federation.transport.messages import AnswerHead, Sink
from federation.transport.request_paths import federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.event_signatures import add_signatures
from homeserver.domain.events import Event
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId, server_name_of
from homeserver.domain.redaction import redact_pdu
from homeserver.domain.room_versions import EventFormat
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory

MAX_ANSWER_BYTES: Final = 1_000_000
_OLDER: Final = (400, 404)


class OutgoingInvites:
    """Invites users of other servers to rooms that this one is in."""

    def __init__(
        self,
        directory: RoomDirectory,
        client: FederationClient,
        signatures: SignatureChecker,
        intake: EventIntake,
        server_name: ServerName,
    ) -> None:
        self._directory = directory
        self._client = client
        self._signatures = signatures
        self._intake = intake
        self._server_name = server_name

    async def invite(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> EventId:
        """Invite a user; the member event. Raises Forbidden, InviteBlocked,
        IncompatibleRoomVersion and UnableToRetrieve, and what the policy server of the room
        says."""
        actor = await self._directory.by_id(room_id)
        new = NewEvent(MEMBER, sender, content, user_id)
        await actor.prepare([new])
        invite = await actor.recommended(actor.propose(new))
        server = server_name_of(user_id)
        try:
            pdu = await self._ask(server, actor, invite)
        except FederationError as error:
            raise as_told(error) from None
        signed = await self._with_signature_of(server, invite, pdu)
        standing = await self._intake.take_in(actor.view.nid, signed, self._server_name)
        if standing is not Standing.ACCEPTED:
            raise Forbidden("The room does not allow the invite any more")
        return signed.event_id

    async def exchange(
        self, sender: UserId, room_id: RoomId, user_id: UserId, content: JsonObject
    ) -> None:
        """Ask the server of who invited a third-party identifier to invite its owner."""
        event = {
            "type": MEMBER,
            "room_id": room_id,
            "sender": sender,
            "state_key": user_id,
            "content": content,
        }
        try:
            await self._client.put_json(
                server_name_of(sender),
                federation_path("exchange_third_party_invite", room_id),
                event,
            )
        except FederationError as error:
            raise as_told(error) from None

    async def _ask(self, server: ServerName, actor: RoomActor, invite: Event) -> JsonObject:
        """The invite as the user's server returns it."""
        state = await description_of(actor, self._directory.events, invite.sender)
        try:
            answer = await self._client.put_json(
                server,
                federation_path("invite", invite.room_id, invite.event_id, version="v2"),
                {
                    "event": invite.pdu_object(),
                    "room_version": invite.version.identifier,
                    "invite_room_state": state,
                },
                max_bytes=MAX_ANSWER_BYTES,
            )
        except RemoteError as error:
            is_old = invite.version.event_format is EventFormat.V1
            if not is_old or error.remote_status not in _OLDER:
                raise
            answer = await self._ask_as_before(server, invite, state)
        event: Any = answer.get("event")
        if not isinstance(event, dict):
            raise UnusableAnswer(f"{server} did not return the invite")
        return event

    async def _ask_as_before(
        self, server: ServerName, invite: Event, state: list[JsonObject]
    ) -> JsonObject:
        """The first version of the operation: the answer is a pair of 200 and an object."""
        body = bytearray()

        def open_sink(head: AnswerHead) -> Sink:
            return body.extend

        await self._client.stream(
            "PUT",
            server,
            federation_path("invite", invite.room_id, invite.event_id),
            open_sink,
            content={**invite.pdu_object(), "unsigned": {"invite_room_state": state}},
            max_bytes=MAX_ANSWER_BYTES,
        )
        try:
            _, answer = msgspec.json.decode(body, type=tuple[int, dict[str, Any]])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnusableAnswer(f"{server} did not return the invite: {error}") from None
        return answer

    async def _with_signature_of(self, server: ServerName, invite: Event, pdu: JsonObject) -> Event:
        """The invite with the signature of the user's server, and nothing else of what that
        returned. Raises UnusableAnswer when it has not signed this very invite."""
        signatures: Any = pdu.get("signatures")
        theirs = signatures.get(server) if isinstance(signatures, dict) else None
        ours = redact_pdu(invite.pdu_object(), invite.version)
        signed = {**ours, "signatures": {server: theirs}}
        (outcome,) = await self._signatures.check_objects(
            [SignedObject(signed, frozenset([server]), invite.origin_server_ts)]
        )
        if outcome is not Outcome.VALID or not isinstance(theirs, dict):
            raise UnusableAnswer(f"{server} did not sign the invite")
        by_key = {key: value for key, value in theirs.items() if isinstance(value, str)}
        return add_signatures(invite, {server: by_key})
