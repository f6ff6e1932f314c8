"""Joining, leaving and forgetting rooms; letting others in and out."""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.domain.errors import Forbidden, InvalidParam, MissingParam
from homeserver.domain.identifiers import (
    RoomId,
    ServerName,
    parse_room_alias,
    parse_room_id,
    parse_server_name,
    parse_user_id,
    server_name_of,
)
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route
from homeserver.ports.federation.remote_aliases import FoundRoom
from homeserver.services.rooms.aliases import Aliases
from homeserver.services.rooms.entrances import Entrances
from homeserver.services.rooms.forgetting import Forgetting
from homeserver.services.rooms.membership import Memberships, ThirdPartyProof

# How many of the servers that a client names are asked.
MOST_SERVERS = 20


class JoinBody(msgspec.Struct):
    """The body of the two ways to join."""

    reason: str | None = None
    third_party_signed: dict[str, Any] | None = None


class ReasonBody(msgspec.Struct):
    """The body of ``POST /rooms/{roomId}/leave`` and ``POST /knock/{roomIdOrAlias}``."""

    reason: str | None = None


class InviteBody(msgspec.Struct):
    """The body of ``POST /rooms/{roomId}/invite``, in both its forms."""

    user_id: str | None = None
    reason: str | None = None
    medium: str | None = None
    address: str | None = None


class TargetBody(msgspec.Struct):
    """The body of kicking, banning and unbanning."""

    user_id: str
    reason: str | None = None


class MembershipApi:
    """What users are to rooms."""

    def __init__(
        self,
        entrances: Entrances,
        memberships: Memberships,
        aliases: Aliases,
        forgetting: Forgetting,
    ) -> None:
        self._entrances = entrances
        self._memberships = memberships
        self._aliases = aliases
        self._forgetting = forgetting

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        room = "/rooms/{roomId}"
        return [
            route(
                "POST",
                client(f"{room}/join"),
                self.join_room,
                body=JoinBody,
                access=Access.GUEST,
                rate=RateClass.JOIN,
                section="Joining rooms",
            ),
            route(
                "POST",
                client("/join/{roomIdOrAlias}"),
                self.join,
                body=JoinBody,
                access=Access.GUEST,
                rate=RateClass.JOIN,
                section="Joining rooms",
            ),
            route(
                "POST",
                client("/knock/{roomIdOrAlias}"),
                self.knock,
                body=ReasonBody,
                rate=RateClass.JOIN,
                section="Knocking on rooms",
            ),
            route(
                "POST",
                client(f"{room}/leave"),
                self.leave,
                body=ReasonBody,
                access=Access.GUEST,
                section="Leaving rooms",
            ),
            route("POST", client(f"{room}/forget"), self.forget, section="Leaving rooms"),
            route(
                "POST",
                client(f"{room}/invite"),
                self.invite,
                body=InviteBody,
                rate=RateClass.INVITE,
                section="Joining rooms",
            ),
            route(
                "POST", client(f"{room}/kick"), self.kick, body=TargetBody, section="Leaving rooms"
            ),
            route(
                "POST",
                client(f"{room}/ban"),
                self.ban,
                body=TargetBody,
                section="Banning users in a room",
            ),
            route(
                "POST",
                client(f"{room}/unban"),
                self.unban,
                body=TargetBody,
                section="Banning users in a room",
            ),
        ]

    async def join_room(self, request: Request, body: JoinBody) -> Answer:
        """``POST /rooms/{roomId}/join``"""
        return await self._join(request, _room_id(request), [], body)

    async def join(self, request: Request, body: JoinBody) -> Answer:
        """``POST /join/{roomIdOrAlias}``"""
        found = await self._aliases.located(request.parameters["roomIdOrAlias"])
        return await self._join(request, found.room_id, _servers_to_ask(request, found), body)

    async def _join(
        self, request: Request, room_id: RoomId, via: list[ServerName], body: JoinBody
    ) -> Answer:
        signed = body.third_party_signed
        await self._entrances.join(
            request.requester,
            room_id,
            via,
            reason=body.reason,
            proof=_proof(signed) if signed is not None else None,
        )
        return ok({"room_id": room_id})

    async def knock(self, request: Request, body: ReasonBody) -> Answer:
        """``POST /knock/{roomIdOrAlias}``"""
        found = await self._aliases.located(request.parameters["roomIdOrAlias"])
        await self._entrances.knock(
            request.requester, found.room_id, _servers_to_ask(request, found), reason=body.reason
        )
        return ok({"room_id": found.room_id})

    async def leave(self, request: Request, body: ReasonBody) -> Answer:
        """``POST /rooms/{roomId}/leave``"""
        await self._entrances.leave(request.requester, _room_id(request), reason=body.reason)
        return EMPTY

    async def forget(self, request: Request) -> Answer:
        """``POST /rooms/{roomId}/forget``"""
        await self._forgetting.forget(request.user_id, _room_id(request))
        return EMPTY

    async def invite(self, request: Request, body: InviteBody) -> Answer:
        """``POST /rooms/{roomId}/invite``"""
        room_id = _room_id(request)
        if body.user_id is None:
            if body.medium is not None or body.address is not None:
                raise Forbidden("This server does not use identity servers")
            raise MissingParam("user_id is missing")
        user_id = parse_user_id(body.user_id)
        await self._memberships.invite(request.requester, room_id, user_id, reason=body.reason)
        return EMPTY

    async def kick(self, request: Request, body: TargetBody) -> Answer:
        """``POST /rooms/{roomId}/kick``"""
        user_id = parse_user_id(body.user_id)
        await self._memberships.kick(
            request.requester, _room_id(request), user_id, reason=body.reason
        )
        return EMPTY

    async def ban(self, request: Request, body: TargetBody) -> Answer:
        """``POST /rooms/{roomId}/ban``"""
        user_id = parse_user_id(body.user_id)
        await self._memberships.ban(
            request.requester, _room_id(request), user_id, reason=body.reason
        )
        return EMPTY

    async def unban(self, request: Request, body: TargetBody) -> Answer:
        """``POST /rooms/{roomId}/unban``"""
        user_id = parse_user_id(body.user_id)
        await self._memberships.unban(
            request.requester, _room_id(request), user_id, reason=body.reason
        )
        return EMPTY


def _room_id(request: Request) -> RoomId:
    return parse_room_id(request.parameters["roomId"])


def _servers_to_ask(request: Request, found: FoundRoom) -> list[ServerName]:
    """The servers that the client names as being in the room, and those that its alias leads to."""
    named = [*request.query.get("via", []), *request.query.get("server_name", [])]
    servers = [parse_server_name(server) for server in named[:MOST_SERVERS]]
    room = request.parameters["roomIdOrAlias"]
    if room.startswith("#"):
        servers.append(server_name_of(parse_room_alias(room)))
    return [*servers, *found.servers[:MOST_SERVERS]]


def _proof(signed: dict[str, Any]) -> ThirdPartyProof:
    """``third_party_signed``, which stays as the identity server signed it."""
    match signed:
        case {"sender": str(sender), "mxid": str(), "token": str(token), "signatures": dict()}:
            return ThirdPartyProof(parse_user_id(sender), token, signed)
    raise InvalidParam("third_party_signed must have sender, mxid, token and signatures")
