"""A whole server out of its areas."""

from __future__ import annotations

from typing import Any

import attrs

from homeserver.http.dispatch import Dispatcher
from homeserver.http.limits import RequestLimits
from homeserver.http.overload import Shedding
from homeserver.http.router import Router
from homeserver.http.routes import Api
from homeserver.runtime.config import Config
from homeserver.runtime.in_flight import InFlight
from homeserver.runtime.operator_token import ensure_operator_token, is_operator_token
from homeserver.runtime.reactor_lag import ReactorLag
from homeserver.runtime.wiring.accounts import AccountsArea, build_accounts
from homeserver.runtime.wiring.admin import build_admin
from homeserver.runtime.wiring.calls import CallsArea
from homeserver.runtime.wiring.conversations import build_conversations
from homeserver.runtime.wiring.discovery import build_discovery
from homeserver.runtime.wiring.encryption import (
    DeviceGround,
    build_device_ground,
    build_encryption,
)
from homeserver.runtime.wiring.federation_area import (
    Federation,
    build_federation,
    build_membership,
    received,
)
from homeserver.runtime.wiring.federation_resources import (
    ServedHere,
    build_federation_resources,
    build_openid,
)
from homeserver.runtime.wiring.foundation import Foundation, lay_foundation
from homeserver.runtime.wiring.media import MediaArea, build_media
from homeserver.runtime.wiring.personal import PersonalArea, build_personal
from homeserver.runtime.wiring.rooms import RoomsCore, build_rooms
from homeserver.runtime.wiring.sync import Elsewhen, SyncArea, build_sync
from homeserver.services.accounts.account_followers import AccountFollowers
from homeserver.services.personal.push_rules import default_push_rules
from homeserver.services.rooms.departures import Departures
from homeserver.sync.personal_data import Defaults
from storage.accounts.accounts import SqlAccountStore


@attrs.frozen
class Server:
    """A server that is ready to start."""

    dispatcher: Dispatcher
    in_flight: InFlight
    on: Foundation
    rooms: RoomsCore
    accounts: AccountsArea
    personal: PersonalArea
    devices: DeviceGround
    media: MediaArea
    calls: CallsArea
    federation: Federation
    syncing: SyncArea
    lag: ReactorLag

    @property
    def sync(self) -> SyncArea:
        """The long-polls, which must be ended when the server stops."""
        return self.syncing

    async def start(self) -> None:
        """Read what must be in memory, and resume what was under way."""
        self.lag.start()
        await self.rooms.push_rules.load()
        await self.federation.start()
        await self.devices.traces.resume()
        await self.accounts.deactivation.resume()
        await self.personal.propagation.resume()
        await self.calls.due_events.resume()

    async def stop(self) -> None:
        """Bring everything that waits to the database, and close it."""
        self.lag.stop()
        self.personal.propagation.stop()
        await self.calls.due_events.stop()
        await self.media.stop()
        await self.federation.stop()
        await self.accounts.last_seen.flush()
        await self.on.log.drained()
        self.on.database.close()


def build(config: Config, reactor: Any) -> Server:
    """Put a server together. Raises ConfigError."""
    on = lay_foundation(config, reactor)
    rooms = build_rooms(on)
    account_store = SqlAccountStore(on.log)
    devices = build_device_ground(on, rooms)
    federation = build_federation(on, rooms, devices)
    queries = federation.queries
    personal = build_personal(on, rooms, account_store, queries.profiles if queries else None)
    membership = build_membership(on, rooms, federation, account_store, personal)
    accounts = build_accounts(
        on,
        account_store,
        Departures(rooms.directory, membership.remote_rooms),
        AccountFollowers(personal.profiles, devices.traces),
    )
    media = build_media(on, queries.media if queries else None)
    openid = build_openid(on, account_store)
    syncing = build_sync(
        on,
        rooms,
        personal.account_data,
        personal.filters,
        personal.presence,
        Defaults(default_push_rules, personal.presence.event),
        devices.lists,
        Elsewhen(federation.inbound.history, queries.times if queries else None),
    )
    conversations = build_conversations(
        on, rooms, personal, syncing.history, account_store, membership.remote_rooms, queries
    )
    encryption = build_encryption(
        on, devices, syncing.sessions, accounts.interactive, federation.elsewhere
    )
    apis: list[Api] = [
        *build_discovery(on),
        *accounts.apis,
        *personal.apis,
        *conversations.apis,
        *encryption.apis,
        *media.apis,
        *openid.apis,
        *syncing.apis,
        *build_admin(on, rooms, federation),
    ]
    if config.federation.enabled:
        apis += received(on, federation, membership, personal, encryption)
        served = ServedHere(
            profiles=personal.profiles,
            aliases=conversations.aliases,
            published_rooms=conversations.published_rooms,
            repository=media.repository,
            thumbnails=media.thumbnails,
            openid=openid.openid,
            spool=media.incoming,
        )
        apis += build_federation_resources(on, rooms, federation.inbound.states, served)
    lag = ReactorLag(on.clock, on.metrics.observe_reactor_lag)
    limits = RequestLimits(
        rates=on.limiter,
        max_body_bytes=config.limits.request_body_bytes,
        json_depth=config.limits.json_depth,
        max_signed_body_bytes=config.federation.request_body_bytes,
        shedding=Shedding(
            lambda: lag.seconds,
            config.limits.shedding_lag_seconds,
            config.limits.overload_lag_seconds,
        ),
    )
    dispatcher = Dispatcher(
        Router([route for api in apis for route in api.routes()]),
        accounts.authentication,
        limits,
        on.metrics.observe_request,
        federation.keys.authentication,
        is_operator_token(ensure_operator_token(config)),
    )
    return Server(
        dispatcher=dispatcher,
        in_flight=InFlight(on.clock),
        on=on,
        rooms=rooms,
        accounts=accounts,
        personal=personal,
        devices=devices,
        media=media,
        calls=conversations.calls,
        federation=federation,
        syncing=syncing,
        lag=lag,
    )
