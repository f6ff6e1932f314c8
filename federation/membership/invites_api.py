"""Invites of other servers and of identity servers.

Server-server API, "Inviting to a room" and "Third-party invites".
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import msgspec

from federation.membership.handshake_api import submission_of
from federation.membership.incoming_invites import IncomingInvites, version_told_by
from federation.membership.third_party_invites import ThirdPartyInvites
from homeserver.domain.identifiers import parse_room_id
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, route

MAX_INVITE_BYTES: Final = 2_000_000
"""The largest invite, with the state that describes the room."""


class InviteBody(msgspec.Struct):
    """The body of ``PUT /_matrix/federation/v2/invite/{roomId}/{eventId}``."""

    event: dict[str, Any]
    room_version: str
    invite_room_state: list[Any] | None = None


class BoundBody(msgspec.Struct):
    """The body of ``PUT /_matrix/federation/v1/3pid/onbind``."""

    medium: str
    address: str
    mxid: str
    invites: list[Any]


class InvitesApi:
    """Takes invites."""

    def __init__(self, invites: IncomingInvites, third_party: ThirdPartyInvites) -> None:
        self._invites = invites
        self._third_party = third_party

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        inviting, third_party = "Inviting to a room", "Third-party invites"
        base = "/_matrix/federation"
        return [
            route(
                "PUT",
                (f"{base}/v1/invite/{{roomId}}/{{eventId}}",),
                self.invite_v1,
                section=inviting,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
                max_body_bytes=MAX_INVITE_BYTES,
            ),
            route(
                "PUT",
                (f"{base}/v2/invite/{{roomId}}/{{eventId}}",),
                self.invite,
                body=InviteBody,
                section=inviting,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
                max_body_bytes=MAX_INVITE_BYTES,
            ),
            route(
                "PUT",
                (f"{base}/v1/exchange_third_party_invite/{{roomId}}",),
                self.exchange,
                section=third_party,
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
            ),
            # Identity servers do not sign their requests; what they claim is signed.
            route(
                "PUT",
                (f"{base}/v1/3pid/onbind",),
                self.bound,
                body=BoundBody,
                section=third_party,
                access=Access.PUBLIC,
                rate=RateClass.FEDERATION,
            ),
        ]

    async def invite(self, request: Request, body: InviteBody) -> Answer:
        """``PUT /_matrix/federation/v2/invite/{roomId}/{eventId}``"""
        submission = attrs.evolve(submission_of(request), pdu=body.event)
        signed = await self._invites.receive(submission, body.room_version, body.invite_room_state)
        return ok({"event": signed})

    async def invite_v1(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v1/invite/{roomId}/{eventId}``"""
        submission = submission_of(request)
        unsigned = submission.pdu.get("unsigned")
        described = unsigned.get("invite_room_state") if isinstance(unsigned, dict) else None
        version = version_told_by(described)
        signed = await self._invites.receive(submission, version, described)
        return ok([200, {"event": signed}])

    async def exchange(self, request: Request) -> Answer:
        """``PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}``"""
        room_id = parse_room_id(request.parameters["roomId"])
        await self._third_party.exchange(request.origin, room_id, request.body_object())
        return EMPTY

    async def bound(self, request: Request, body: BoundBody) -> Answer:
        """``PUT /_matrix/federation/v1/3pid/onbind``"""
        await self._third_party.bound(body.mxid, body.invites)
        return EMPTY
