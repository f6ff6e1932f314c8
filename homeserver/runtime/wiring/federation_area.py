"""The federation out of its parts."""

from __future__ import annotations

import attrs

from federation.admin.blocked_servers import BlockedServers
from federation.inbound.own_events import OwnEvents
from federation.queries.policy_servers import PolicyServers
from homeserver.http.routes import Api
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.runtime.wiring.encryption import DeviceGround, Elsewhere, EncryptionArea
from homeserver.runtime.wiring.federation import (
    FederationKeys,
    FederationTransport,
    build_federation_keys,
    build_federation_transport,
)
from homeserver.runtime.wiring.federation_edus import (
    EduTargets,
    RemoteKeysArea,
    build_device_keys_api,
    build_edus,
    build_remote_keys,
)
from homeserver.runtime.wiring.federation_inbound import (
    InboundArea,
    build_federation_inbound,
    transactions_api,
)
from homeserver.runtime.wiring.federation_membership import (
    MembershipArea,
    MembershipGround,
    build_federation_membership,
)
from homeserver.runtime.wiring.federation_outbound import (
    FederationOutbound,
    build_federation_outbound,
)
from homeserver.runtime.wiring.federation_resources import RemoteQueries, build_remote_queries
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.personal import PersonalArea
from homeserver.runtime.wiring.rooms import RoomsCore
from storage.federation.blocked_servers import SqlBlockedServerStore


@attrs.frozen
class Federation:
    """Everything about other servers that other areas rest on."""

    transport: FederationTransport
    keys: FederationKeys
    blocked: BlockedServers
    inbound: InboundArea
    outbound: FederationOutbound
    device_keys: RemoteKeysArea
    queries: RemoteQueries | None
    """None where nothing is asked of other servers."""

    @property
    def elsewhere(self) -> Elsewhere:
        """What reaches the devices of other servers' users."""
        return Elsewhere(self.outbound.mail, self.device_keys.queries)

    async def start(self) -> None:
        """Go on where the server stopped. To be called before anything is written."""
        await self.transport.health.load()
        await self.blocked.load()
        await self.outbound.start()
        await self.inbound.start()

    async def stop(self) -> None:
        """Begin nothing any more, before the log is drained."""
        self.inbound.stop()
        await self.outbound.stop()
        await self.transport.health.flush()
        await self.transport.http.close()


def build_federation(on: Foundation, rooms: RoomsCore, devices: DeviceGround) -> Federation:
    """The ways to other servers and from them. The directory of rooms must follow the log
    already."""
    transport = build_federation_transport(on)
    keys = build_federation_keys(
        on, transport.client, transport.peers, transport.health.note_inbound
    )
    policy_servers = PolicyServers(transport.client)
    inbound = build_federation_inbound(on, rooms, transport.client, keys.signatures, policy_servers)
    transport.health.on_recovery(inbound.inbox.recovered)
    if on.config.federation.enabled:
        own_events = OwnEvents(policy_servers, inbound.judging, rooms.events)
        rooms.directory.recommend_by(own_events)
    return Federation(
        transport=transport,
        keys=keys,
        blocked=BlockedServers(
            SqlBlockedServerStore(on.log), transport.peers, transport.health, on.clock
        ),
        inbound=inbound,
        outbound=build_federation_outbound(on, rooms, transport),
        device_keys=build_remote_keys(on, rooms, transport, devices.changes),
        queries=(
            build_remote_queries(on, transport.client, transport.http)
            if on.config.federation.enabled
            else None
        ),
    )


def build_membership(
    on: Foundation,
    rooms: RoomsCore,
    federation: Federation,
    accounts: AccountStore,
    personal: PersonalArea,
) -> MembershipArea:
    """Memberships over federation."""
    ground = MembershipGround(
        client=federation.transport.client,
        signatures=federation.keys.signatures,
        inbound=federation.inbound,
        relaying=federation.outbound.relays,
        accounts=accounts,
        permissions=personal.invite_permissions,
    )
    return build_federation_membership(on, rooms, ground)


def received(
    on: Foundation,
    federation: Federation,
    membership: MembershipArea,
    personal: PersonalArea,
    encryption: EncryptionArea,
) -> list[Api]:
    """The operations by which other servers send, change memberships, and ask about devices."""
    targets = EduTargets(
        personal.typing, personal.receipts, personal.presence, encryption.to_device
    )
    edus = build_edus(on, federation.device_keys.lists, targets)
    return [
        *federation.keys.apis,
        *membership.apis,
        transactions_api(federation.inbound, edus, membership.withdrawals),
        build_device_keys_api(on, encryption.queries, encryption.claims),
    ]
