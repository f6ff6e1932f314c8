"""The accounts part of a server: real services and stores over SQLite in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from homeserver.api.accounts.account import AccountApi
from homeserver.api.accounts.account_moderation import AccountModerationApi
from homeserver.api.accounts.admin_registration import AdminRegistrationApi
from homeserver.api.accounts.devices import DevicesApi
from homeserver.api.accounts.login import LoginApi
from homeserver.api.accounts.registration import RegistrationApi
from homeserver.api.accounts.sessions import SessionsApi
from homeserver.domain.identifiers import DeviceId, ServerName, UserId
from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.routes import RateClass
from homeserver.ports.database import Row, Transaction
from homeserver.services.accounts.account_moderation import AccountModeration
from homeserver.services.accounts.accounts import Accounts, AccountSettings, Registration
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
from homeserver.services.accounts.session_tokens import (
    IssuedSession,
    SessionLifetimes,
    SessionRequest,
)
from homeserver.services.accounts.sessions import Sessions
from homeserver.services.accounts.token_cache import TokenCache
from homeserver.services.accounts.uia_session_ids import UiaSessionIds
from homeserver.services.accounts.uia_stages import (
    DummyStage,
    PasswordStage,
    RegistrationTokenStage,
)
from homeserver.services.accounts.user_interactive_auth import Stage, UserInteractiveAuth
from storage.accounts.accounts import SqlAccountStore
from storage.accounts.devices import SqlDeviceStore
from storage.accounts.login_tokens import SqlLoginTokenStore
from storage.accounts.registration_tokens import SqlRegistrationTokenStore
from storage.accounts.sessions import SqlSessionStore
from storage.accounts.uia_sessions import SqlUiaSessionStore
from storage.engines.schema import migrate
from storage.engines.sqlite import SqliteDatabase
from tests.clock import FakeClock
from tests.http_requests import TestClient
from tests.storage.conftest import DirectTransactions

P = ParamSpec("P")
T = TypeVar("T")

SERVER = ServerName("hs")
PASSWORD = "correct horse"
SHARED_SECRET = "shared secret"
LIFETIMES = SessionLifetimes(access_ms=60_000, refresh_ms=3_600_000)
OPEN = RegistrationPolicy(is_open=True)
CHEAP = PasswordSettings(min_length=8, time_cost=1, memory_kib=8, parallelism=1)


async def run_here(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """See :class:`homeserver.ports.threads.RunInThread`."""
    return work(*args, **kwargs)


class RecordedEvents:
    """Writes down what happens to accounts and devices."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def taken(self) -> list[tuple[Any, ...]]:
        """What happened since it was asked last."""
        seen, self.seen = self.seen, []
        return seen

    async def user_registered(self, user_id: UserId, display_name: str | None) -> None:
        self.seen.append(("user_registered", user_id, display_name))

    async def user_deactivated(self, user_id: UserId, *, erase: bool) -> None:
        self.seen.append(("user_deactivated", user_id, erase))

    async def device_changed(self, user_id: UserId, device_id: DeviceId) -> None:
        self.seen.append(("device_changed", user_id, device_id))

    async def device_deleted(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        self.seen.append(("device_deleted", user_id, list(device_ids)))

    async def sessions_ended(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        self.seen.append(("sessions_ended", user_id, list(device_ids)))


class Departures:
    """Writes down who left their rooms; ``broken`` makes leaving fail."""

    def __init__(self) -> None:
        self.left: list[UserId] = []
        self.broken = False

    async def leave_all(self, user_id: UserId) -> None:
        if self.broken:
            raise ConnectionError("interrupted")
        self.left.append(user_id)


class AccountsServer:
    """Everything that accounts and sessions are made of. Used inside ``with``."""

    def __init__(
        self,
        *,
        policy: RegistrationPolicy = OPEN,
        lifetimes: SessionLifetimes = LIFETIMES,
        rates: dict[RateClass, Rate] | None = None,
        password_settings: PasswordSettings = CHEAP,
        run_in_thread: Callable[..., Awaitable[Any]] = run_here,
    ) -> None:
        self.database = SqliteDatabase(Path(":memory:"), None)  # type: ignore[arg-type]
        migrate(self.database)
        transactions = DirectTransactions(self.database)
        self.account_store = SqlAccountStore(transactions)
        self.session_store = SqlSessionStore(transactions)
        self.device_store = SqlDeviceStore(transactions)
        self.uia_store = SqlUiaSessionStore(transactions)
        token_store = SqlRegistrationTokenStore(transactions)

        self.clock = FakeClock()
        self.events = RecordedEvents()
        self.departures = Departures()
        self.limiter = RateLimiter(rates or {}, self.clock.monotonic)
        self.cache = TokenCache()

        self.passwords = Passwords(run_in_thread, password_settings)
        self.password_authentication = PasswordAuthentication(
            self.account_store, self.passwords, self.limiter, SERVER
        )
        self.last_seen = LastSeen(self.device_store, self.clock)
        self.authentication = Authentication(
            self.session_store, self.cache, self.last_seen, self.clock
        )
        self.accounts = Accounts(
            self.account_store,
            self.passwords,
            self.events,
            self.clock,
            AccountSettings(SERVER, lifetimes),
        )
        self.sessions = Sessions(self.session_store, self.cache, self.events, self.clock, lifetimes)
        self.devices = Devices(self.device_store, self.cache, self.events)
        self.login_tokens = LoginTokens(
            SqlLoginTokenStore(transactions), self.account_store, self.clock
        )
        self.registration_tokens = RegistrationTokens(token_store, self.clock)
        self.password_change = PasswordChange(self.account_store, self.passwords, self.devices)
        self.deactivation = Deactivation(
            self.account_store, self.cache, self.departures, self.events
        )
        self.moderation = AccountModeration(
            self.account_store, self.device_store, self.cache, SERVER
        )
        self.admin_registration = AdminRegistration(self.accounts, self.clock, SHARED_SECRET)
        stages: list[Stage] = [
            PasswordStage(self.password_authentication),
            DummyStage(),
            RegistrationTokenStage(self.registration_tokens),
        ]
        self.interactive = UserInteractiveAuth(
            stages, UiaSessionIds(b"s" * 32), self.uia_store, self.clock
        )
        self.client = TestClient(
            [
                RegistrationApi(
                    self.accounts,
                    self.registration_tokens,
                    self.interactive,
                    self.authentication,
                    policy,
                ),
                LoginApi(
                    self.password_authentication,
                    self.login_tokens,
                    self.sessions,
                    self.interactive,
                ),
                SessionsApi(self.sessions, self.devices, self.authentication),
                AccountApi(self.password_change, self.deactivation, self.interactive),
                DevicesApi(self.devices, self.interactive),
                AdminRegistrationApi(self.admin_registration),
                AccountModerationApi(self.moderation),
            ],
            self.authentication,
            self.limiter,
            self.clock,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.database.close()

    async def register(
        self, username: str, *, with_refresh_token: bool = False, is_admin: bool = False
    ) -> IssuedSession:
        """Make an account with the password of all these tests, and its first session."""
        issued = await self.accounts.register(
            Registration(
                self.accounts.user_id_for(username),
                PASSWORD,
                SessionRequest(with_refresh_token=with_refresh_token),
                is_admin=is_admin,
            )
        )
        assert issued is not None
        self.events.taken()
        return issued

    async def log_in(
        self, user_id: UserId, device_id: str | None = None, *, with_refresh_token: bool = False
    ) -> IssuedSession:
        """Open another session."""
        account = await self.account_store.account(user_id)
        assert account is not None
        wanted = None if device_id is None else DeviceId(device_id)
        issued = await self.sessions.open(
            account, SessionRequest(wanted, with_refresh_token=with_refresh_token)
        )
        self.events.taken()
        return issued

    def select(self, table: str) -> list[Row]:
        """All that a table holds."""

        def work(tx: Transaction) -> list[Row]:
            return tx.all(f"SELECT * FROM {table}")

        return self.database.write_blocking(work)

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return len(self.select(table))
