"""Calls, put together."""

from __future__ import annotations

import secrets

import attrs

from homeserver.api.calls.delayed_events import DelayedEventsApi
from homeserver.api.calls.rtc_transports import RtcTransportsApi
from homeserver.api.calls.turn import TurnApi
from homeserver.http.routes import Api, RateClass
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.runtime.config import Config
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.runtime.wiring.rooms import RoomsCore
from homeserver.services.calls.delay_limits import DelayLimits
from homeserver.services.calls.delayed_events import DelayedEvents, NoDelays, Scheduler
from homeserver.services.calls.delayed_sending import DelayedSending
from homeserver.services.calls.delivery import Delivery
from homeserver.services.calls.due_events import DueEvents
from homeserver.services.calls.turn_credentials import TurnCredentials, TurnServers
from homeserver.services.messages.messages import Messages
from homeserver.services.rooms.room_state import RoomState
from storage.calls.delayed_events import SqlDelayedEventStore


@attrs.frozen
class CallsArea:
    """What calls need of a server."""

    apis: list[Api]
    scheduler: Scheduler
    due_events: DueEvents


def build_calls(
    on: Foundation,
    rooms: RoomsCore,
    accounts: AccountStore,
    messages: Messages,
    state: RoomState,
) -> CallsArea:
    """TURN servers, transports of MatrixRTC and delayed events.

    Where delayed events are switched off, those that were scheduled before are still sent.
    """
    config, clock = on.config, on.clock
    store = SqlDelayedEventStore(on.log)
    sending = DelayedSending(
        accounts,
        rooms.directory,
        messages,
        state,
        lambda user_id: on.limiter.spend(RateClass.MESSAGE, user_id),
    )
    delivery = Delivery(store, sending, clock)
    due_events = DueEvents(store, delivery, clock)
    limits = DelayLimits(
        max_delay_ms=config.delayed_events.max_delay_seconds * 1000,
        max_scheduled=config.delayed_events.max_scheduled_per_user,
    )
    delayed = DelayedEvents(store, due_events, clock, limits, lambda: secrets.token_urlsafe(24))
    scheduler: Scheduler = delayed if config.delayed_events.enabled else NoDelays()
    return CallsArea(
        apis=[
            TurnApi(
                TurnCredentials(_turn_servers(config), clock),
                for_guests=config.voip.turn_for_guests,
            ),
            RtcTransportsApi(config.matrix_rtc.transports),
            DelayedEventsApi(scheduler, delayed, delivery),
        ],
        scheduler=scheduler,
        due_events=due_events,
    )


def _turn_servers(config: Config) -> TurnServers:
    voip = config.voip
    return TurnServers(
        uris=voip.turn_uris,
        ttl_seconds=voip.turn_ttl_seconds,
        secret=voip.turn_shared_secret,
        username=voip.turn_username,
        password=voip.turn_password,
    )
