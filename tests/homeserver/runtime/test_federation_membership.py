"""Memberships over federation, put together as the server does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet import reactor

from federation.queries.policy_servers import PolicyServers
from homeserver.domain.identifiers import EventId, UserId
from homeserver.ports.accounts.accounts import NewAccount
from homeserver.runtime.config import parse_config
from homeserver.runtime.resources import is_served
from homeserver.runtime.wiring.federation import build_federation_keys, build_federation_transport
from homeserver.runtime.wiring.federation_inbound import build_federation_inbound
from homeserver.runtime.wiring.federation_membership import (
    ActiveUsers,
    JoinMetrics,
    MembershipArea,
    MembershipGround,
    build_federation_membership,
)
from homeserver.runtime.wiring.foundation import Foundation, lay_foundation
from homeserver.runtime.wiring.rooms import build_rooms
from storage.accounts.accounts import SqlAccountStore
from tests.rooms_fixture import KnownInvitePermissions
from tests.storage.conftest import DirectTransactions

ALICE = UserId("@alice:here.example")


class NothingRelayed:
    """See :class:`federation.membership.event_intake.Relaying`."""

    async def relay(self, event_id: EventId) -> None:
        pass

    def withhold(self, event_id: EventId) -> None:
        pass


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Foundation]:
    (tmp_path / "data").mkdir()
    config = parse_config('[server]\nname = "here.example"\n', tmp_path, {})
    made = lay_foundation(config, reactor)
    yield made
    made.database.close()


@pytest.fixture
def area(on: Foundation) -> MembershipArea:
    rooms = build_rooms(on)
    remote = build_federation_transport(on)
    keys = build_federation_keys(on, remote.client, remote.peers, lambda server: None)
    ground = MembershipGround(
        client=remote.client,
        signatures=keys.signatures,
        inbound=build_federation_inbound(
            on, rooms, remote.client, keys.signatures, PolicyServers(remote.client)
        ),
        relaying=NothingRelayed(),
        accounts=SqlAccountStore(on.log),
        permissions=KnownInvitePermissions(),
    )
    return build_federation_membership(on, rooms, ground)


def test_every_operation_is_served_to_other_servers_and_to_nobody_else(
    area: MembershipArea,
) -> None:
    routes = [route for api in area.apis for route in api.routes()]
    assert len(routes) == 12
    assert all(is_served(route, ["federation"]) for route in routes)
    assert not any(is_served(route, ["client"]) for route in routes)


def test_joins_are_measured(on: Foundation) -> None:
    metrics = JoinMetrics(on)
    metrics.checked(250)
    metrics.ended("joined", 1.5)
    rendered = on.metrics.render().decode()
    assert "myelin_join_events_total 250.0" in rendered
    assert 'myelin_join_seconds_count{outcome="joined"} 1.0' in rendered


async def test_those_with_an_account_can_be_invited(on: Foundation) -> None:
    store = SqlAccountStore(DirectTransactions(on.database))
    users = ActiveUsers(store)
    assert not await users.is_active(ALICE)
    await store.register(NewAccount(ALICE, 0), None)
    assert await users.is_active(ALICE)
    await store.deactivate(ALICE, erase=False)
    assert not await users.is_active(ALICE)
