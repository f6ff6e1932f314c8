"""Registering accounts.

Client-server API, "Account registration" and "Guest access".
"""

from __future__ import annotations

import secrets
from typing import Final

import attrs

from homeserver.domain.errors import Forbidden, InvalidParam, InvalidUsername, UserInUse
from homeserver.domain.identifiers import (
    ServerName,
    UserId,
    is_valid_localpart,
    make_user_id,
)
from homeserver.ports.accounts.accounts import AccountEvents, AccountStore, NewAccount, Registered
from homeserver.ports.accounts.session_tokens import NewSession
from homeserver.ports.clock import Clock
from homeserver.services.accounts.passwords import Passwords
from homeserver.services.accounts.session_tokens import (
    IssuedSession,
    SessionLifetimes,
    SessionRequest,
    issue_session,
)

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_RANDOM_LENGTH: Final = 12


@attrs.frozen(slots=True)
class AccountSettings:
    """Whose accounts they are, and how long the tokens of their first sessions are valid."""

    server_name: ServerName
    lifetimes: SessionLifetimes


@attrs.frozen(slots=True)
class Registration:
    """An account to register, with a session unless ``session`` is None.

    ``reservation`` is the user-interactive session that reserved a registration token.
    """

    user_id: UserId
    password: str
    session: SessionRequest | None = None
    reservation: str | None = None
    is_admin: bool = False
    user_type: str | None = None
    display_name: str | None = None


class Accounts:
    """Makes accounts."""

    def __init__(
        self,
        accounts: AccountStore,
        passwords: Passwords,
        events: AccountEvents,
        clock: Clock,
        settings: AccountSettings,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._events = events
        self._clock = clock
        self._settings = settings

    @property
    def server_name(self) -> ServerName:
        """The server whose accounts these are."""
        return self._settings.server_name

    def user_id_for(self, username: str | None) -> UserId:
        """The user ID that somebody gets who asks for a user name; a random one for None.

        Capitals become small letters. Raises InvalidUsername.
        """
        if username is None:
            return self._random_user_id("")
        localpart = username.lower()
        if not is_valid_localpart(localpart):
            raise InvalidUsername("A user name has only the characters a-z, 0-9 and . _ = - / +")
        try:
            return make_user_id(localpart, self.server_name)
        except InvalidParam:
            raise InvalidUsername("The user name is too long") from None

    def check_password(self, password: str) -> None:
        """Raises WeakPassword and InvalidParam for what cannot be a password."""
        self._passwords.check_policy(password)

    async def require_available(self, user_id: UserId) -> None:
        """Raises UserInUse for a user ID that is taken, or was before its deactivation."""
        if await self._accounts.account(user_id) is not None:
            raise UserInUse()

    async def register(self, registration: Registration) -> IssuedSession | None:
        """Make an account and its first session; nothing is stored when this fails.

        The password has been checked against the policy. Raises UserInUse, and Forbidden when the
        registration token is not reserved any more.
        """
        account, issued = await self._prepare(registration)
        await self._store(account, issued, registration.display_name)
        return issued

    async def register_guest(self, session: SessionRequest) -> IssuedSession:
        """Make a guest's account and its session."""
        user_id = self._random_user_id("guest-")
        now_ms = self._clock.now_ms()
        issued = issue_session(user_id, session, self._settings.lifetimes, now_ms)
        await self._store(NewAccount(user_id, now_ms, is_guest=True), issued, None)
        return issued

    async def upgrade_guest(self, registration: Registration) -> IssuedSession | None:
        """Make a full account of a guest's, which keeps its sessions.

        Whoever remembers those must forget them. Raises Forbidden when the account is not a
        guest's, or the registration token is not reserved any more.
        """
        account, issued = await self._prepare(registration)
        _raise_unless_done(await self._accounts.upgrade_guest(account, _row(issued)))
        if issued is not None:
            await self._events.device_changed(account.user_id, issued.device_id)
        return issued

    async def _prepare(self, registration: Registration) -> tuple[NewAccount, IssuedSession | None]:
        password_hash = await self._passwords.hash(registration.password)
        now_ms = self._clock.now_ms()
        account = NewAccount(
            registration.user_id,
            now_ms,
            password_hash,
            registration.user_type,
            is_admin=registration.is_admin,
            reservation=registration.reservation,
        )
        if registration.session is None:
            return account, None
        lifetimes = self._settings.lifetimes
        return account, issue_session(account.user_id, registration.session, lifetimes, now_ms)

    async def _store(
        self, account: NewAccount, issued: IssuedSession | None, display_name: str | None
    ) -> None:
        _raise_unless_done(await self._accounts.register(account, _row(issued)))
        await self._events.user_registered(account.user_id, display_name)
        if issued is not None:
            await self._events.device_changed(account.user_id, issued.device_id)

    def _random_user_id(self, prefix: str) -> UserId:
        name = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
        return make_user_id(prefix + name, self.server_name)


def _row(issued: IssuedSession | None) -> NewSession | None:
    return None if issued is None else issued.row


def _raise_unless_done(outcome: Registered) -> None:
    if outcome is Registered.USER_IN_USE:
        raise UserInUse()
    if outcome is Registered.NOT_A_GUEST:
        raise Forbidden("The account is not a guest's")
    if outcome is Registered.NO_RESERVATION:
        raise Forbidden("The registration token is not valid any more")
