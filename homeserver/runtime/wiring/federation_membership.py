"""Joining, leaving, inviting and knocking over federation, put together."""

from __future__ import annotations

import secrets

import attrs
from prometheus_client import Counter, Histogram

from federation.keys.signature_checker import SignatureChecker
from federation.membership.departures import RemoteDepartures
from federation.membership.event_intake import Relaying
from federation.membership.handshake import Handshake, Pen
from federation.membership.handshake_api import HandshakeApi
from federation.membership.incoming_invites import Guestbook, IncomingInvites
from federation.membership.invites_api import InvitesApi
from federation.membership.join_answer import JoinLimits, JoinSubmission
from federation.membership.joins import Arrivals, Asking, Joins, Progress, Sending
from federation.membership.knocks import Knocks
from federation.membership.member_templates import MemberTemplates
from federation.membership.outgoing_invites import OutgoingInvites
from federation.membership.remote_rooms import FederatedRooms, Ways
from federation.membership.resident_joins import ResidentJoins
from federation.membership.resident_rooms import ResidentRooms
from federation.membership.room_description import Descriptions
from federation.membership.submissions import Doorkeeping, Submissions
from federation.membership.third_party_invites import ThirdPartyInvites
from federation.membership.told_room import ToldRooms
from federation.membership.withdrawals import Withdrawals
from federation.transport.federation_client import FederationClient
from homeserver.domain.identifiers import EventId, UserId
from homeserver.http.routes import Api, RateClass
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.ports.personal.invite_permissions import InvitePermissions
from homeserver.rooms.out_of_band import OutOfBandMemberships
from homeserver.rooms.room_imports import RoomImports
from homeserver.runtime.wiring.federation_inbound import InboundArea
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.rooms.restricted_joins import RestrictedJoins
from homeserver.services.turns import Turns
from storage.rooms.out_of_band import SqlOutOfBandStore
from storage.rooms.room_imports import SqlRoomImportStore

THREADS = 2
"""Threads that read what other servers tell of rooms."""

_JOIN_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


@attrs.frozen
class MembershipGround:
    """What memberships over federation stand on."""

    client: FederationClient
    signatures: SignatureChecker
    inbound: InboundArea
    relaying: Relaying
    accounts: AccountStore
    permissions: InvitePermissions


@attrs.frozen
class MembershipArea:
    """Memberships over federation.

    ``withdrawals`` are for events that come for rooms which this server is not in.
    """

    apis: list[Api]
    remote_rooms: FederatedRooms
    withdrawals: Withdrawals


class JoinMetrics:
    """See :class:`federation.membership.told_room.JoinWatch`."""

    def __init__(self, on: Foundation) -> None:
        registry = on.metrics.registry
        self._events = Counter(
            "myelin_join_events", "Events of rooms checked in joins", registry=registry
        )
        self._seconds = Histogram(
            "myelin_join_seconds",
            "Time of joins through another server",
            ("outcome",),
            buckets=_JOIN_SECONDS,
            registry=registry,
        )

    def checked(self, events: int) -> None:
        self._events.inc(events)

    def ended(self, outcome: str, seconds: float) -> None:
        self._seconds.labels(outcome).observe(seconds)


class ActiveUsers:
    """See :class:`federation.membership.incoming_invites.LocalUsers`."""

    def __init__(self, accounts: AccountStore) -> None:
        self._accounts = accounts

    async def is_active(self, user_id: UserId) -> bool:
        account = await self._accounts.account(user_id)
        return account is not None and not account.is_deactivated


def build_federation_membership(
    on: Foundation, rooms: RoomsCore, ground: MembershipGround
) -> MembershipArea:
    """Both sides of joining, leaving, inviting and knocking."""
    name, directory, client = on.server_name, rooms.directory, ground.client
    checks, intake = ground.inbound.checks, ground.inbound.intake
    run_in_thread = on.workers(THREADS, "joins").run
    turns = Turns()
    pen = Pen(name, on.signing_key, on.clock, lambda: _event_id(on))
    handshake = Handshake(client, pen)
    descriptions = Descriptions(checks)
    out_of_band = OutOfBandMemberships(directory, on.log, SqlOutOfBandStore(on.log), on.clock)
    imports = RoomImports(directory, on.log, SqlRoomImportStore(on.log), on.clock, run_in_thread)
    watch = JoinMetrics(on)
    invites = OutgoingInvites(directory, client, ground.signatures, intake, name)
    limits = JoinLimits(on.config.federation.max_join_bytes)
    ways = Ways(
        Joins(
            directory,
            Asking(
                handshake,
                JoinSubmission(client, limits),
                ToldRooms(checks, run_in_thread, watch),
            ),
            Arrivals(imports, ground.inbound.judging, out_of_band, turns, name),
            Sending(intake, ground.relaying),
            Progress(watch, on.clock),
        ),
        Knocks(client, handshake, descriptions, out_of_band, turns),
        RemoteDepartures(client, handshake, pen, out_of_band, turns),
        invites,
    )
    resident = ResidentRooms(directory, name)
    restricted = RestrictedJoins(directory, name)
    guests = Guestbook(
        ActiveUsers(ground.accounts),
        ground.permissions,
        lambda user_id: on.limiter.spend(RateClass.INVITE, f"invited {user_id}"),
        out_of_band,
        turns,
    )
    doorkeeping = Doorkeeping(checks, restricted, intake, ground.relaying)
    apis: list[Api] = [
        HandshakeApi(
            MemberTemplates(resident, restricted, name),
            Submissions(resident, doorkeeping, pen),
            ResidentJoins(ground.inbound.states, rooms.events, name),
            rooms.events,
            run_in_thread,
        ),
        InvitesApi(
            IncomingInvites(directory, checks, descriptions, guests, pen),
            ThirdPartyInvites(resident, directory, invites, name),
        ),
    ]
    return MembershipArea(
        apis,
        FederatedRooms(ways, out_of_band, name),
        Withdrawals(checks, out_of_band, turns, name),
    )


def _event_id(on: Foundation) -> EventId:
    return EventId(f"${secrets.token_urlsafe(18)}:{on.server_name}")
