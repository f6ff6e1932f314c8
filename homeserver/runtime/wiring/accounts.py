"""Accounts, sessions and devices, put together."""

from __future__ import annotations

import hashlib

import attrs

from homeserver.api.accounts.account import AccountApi
from homeserver.api.accounts.account_moderation import AccountModerationApi
from homeserver.api.accounts.admin_registration import AdminRegistrationApi
from homeserver.api.accounts.devices import DevicesApi
from homeserver.api.accounts.login import LoginApi
from homeserver.api.accounts.registration import RegistrationApi
from homeserver.api.accounts.sessions import SessionsApi
from homeserver.http.routes import Api
from homeserver.ports.accounts.accounts import AccountEvents
from homeserver.ports.accounts.room_departures import RoomDepartures
from homeserver.runtime.registration_secret import ensure_registration_secret
from homeserver.runtime.wiring.foundation import Foundation
from homeserver.services.accounts.account_moderation import AccountModeration
from homeserver.services.accounts.accounts import Accounts, AccountSettings
from homeserver.services.accounts.admin_registration import AdminRegistration
from homeserver.services.accounts.authentication import Authentication
from homeserver.services.accounts.deactivation import Deactivation
from homeserver.services.accounts.devices import Devices
from homeserver.services.accounts.last_seen import LastSeen
from homeserver.services.accounts.login_tokens import LoginTokens
from homeserver.services.accounts.password_authentication import PasswordAuthentication
from homeserver.services.accounts.password_change import PasswordChange
from homeserver.services.accounts.passwords import Passwords, PasswordSettings
from homeserver.services.accounts.registration_policy import RegistrationPolicy
from homeserver.services.accounts.registration_tokens import RegistrationTokens
from homeserver.services.accounts.session_tokens import SessionLifetimes
from homeserver.services.accounts.sessions import Sessions
from homeserver.services.accounts.token_cache import TokenCache
from homeserver.services.accounts.uia_session_ids import UiaSessionIds
from homeserver.services.accounts.uia_stages import (
    DummyStage,
    PasswordStage,
    RegistrationTokenStage,
)
from homeserver.services.accounts.user_interactive_auth import UserInteractiveAuth
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.login_tokens import SqlLoginTokenStore
from storage.accounts.registration_tokens import SqlRegistrationTokenStore
from storage.accounts.sessions import SqlSessionStore
from storage.accounts.uia_sessions import SqlUiaSessionStore


@attrs.frozen
class AccountsArea:
    """Accounts, and what other areas need of them."""

    apis: list[Api]
    authentication: Authentication
    interactive: UserInteractiveAuth
    last_seen: LastSeen
    deactivation: Deactivation


def build_accounts(
    on: Foundation,
    account_store: SqlAccountStore,
    departures: RoomDepartures,
    events: AccountEvents,
) -> AccountsArea:
    """Everything around who people are."""
    config, clock, name = on.config, on.clock, on.server_name
    auth = config.auth
    device_store = SqlDeviceStore(on.log)
    session_store = SqlSessionStore(on.log)
    cache = TokenCache()
    last_seen = LastSeen(device_store, clock)
    authentication = Authentication(session_store, cache, last_seen, clock)
    passwords = Passwords(
        on.workers(1, "passwords").run,
        PasswordSettings(
            min_length=auth.password_min_length,
            time_cost=auth.argon2_time_cost,
            memory_kib=auth.argon2_memory_kib,
            parallelism=auth.argon2_parallelism,
        ),
    )
    password_authentication = PasswordAuthentication(account_store, passwords, on.limiter, name)
    registration_tokens = RegistrationTokens(SqlRegistrationTokenStore(on.log), clock)
    lifetime_ms = auth.interactive_auth_lifetime_seconds * 1000
    interactive = UserInteractiveAuth(
        [
            PasswordStage(password_authentication),
            DummyStage(),
            RegistrationTokenStage(registration_tokens),
        ],
        UiaSessionIds(_derived_secret(on), lifetime_ms),
        SqlUiaSessionStore(on.log),
        clock,
    )
    refresh_seconds = auth.refresh_token_lifetime_seconds
    lifetimes = SessionLifetimes(
        access_ms=auth.access_token_lifetime_seconds * 1000,
        refresh_ms=refresh_seconds * 1000 if refresh_seconds else None,
    )
    sessions = Sessions(session_store, cache, events, clock, lifetimes)
    accounts = Accounts(account_store, passwords, events, clock, AccountSettings(name, lifetimes))
    devices = Devices(device_store, cache, events)
    deactivation = Deactivation(account_store, cache, departures, events)
    login_tokens = LoginTokens(
        SqlLoginTokenStore(on.log),
        account_store,
        clock,
        auth.login_token_lifetime_seconds * 1000,
    )
    policy = RegistrationPolicy(
        is_open=config.registration_enabled,
        requires_token=config.registration.requires_token,
        loopback_only=config.registration.loopback_only,
    )
    moderation = AccountModeration(account_store, device_store, cache, name)
    secret = ensure_registration_secret(config)
    return AccountsArea(
        apis=[
            RegistrationApi(accounts, registration_tokens, interactive, authentication, policy),
            LoginApi(password_authentication, login_tokens, sessions, interactive),
            SessionsApi(sessions, devices, authentication),
            AccountApi(
                PasswordChange(account_store, passwords, devices), deactivation, interactive
            ),
            AccountModerationApi(moderation),
            DevicesApi(devices, interactive),
            AdminRegistrationApi(AdminRegistration(accounts, clock, secret)),
        ],
        authentication=authentication,
        interactive=interactive,
        last_seen=last_seen,
        deactivation=deactivation,
    )


def _derived_secret(on: Foundation) -> bytes:
    """A secret of this server that survives restarts, for signing ids of sessions."""
    return hashlib.sha256(b"interactive-auth:" + on.signing_key.seed_base64.encode()).digest()
