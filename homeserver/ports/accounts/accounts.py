"""What the floors above ask of storage about accounts, and tell whoever follows them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.accounts.session_tokens import NewSession


@attrs.frozen(slots=True)
class Account:
    """A user of this server, and what they may do."""

    user_id: UserId
    is_guest: bool = False
    is_admin: bool = False
    is_locked: bool = False
    is_suspended: bool = False
    is_deactivated: bool = False


@attrs.frozen(slots=True)
class Credentials:
    """An account and the hash of its password, None when it has no password."""

    account: Account
    password_hash: str | None


@attrs.frozen(slots=True)
class NewAccount:
    """An account to make.

    ``reservation`` names the user-interactive session that reserved a registration token for it.
    """

    user_id: UserId
    created_ts: int
    password_hash: str | None = None
    user_type: str | None = None
    is_guest: bool = False
    is_admin: bool = False
    reservation: str | None = None


class Registered(enum.Enum):
    """What became of a registration; only ``DONE`` has stored anything."""

    DONE = enum.auto()
    USER_IN_USE = enum.auto()
    NOT_A_GUEST = enum.auto()
    NO_RESERVATION = enum.auto()


class AccountStore(Protocol):
    """Accounts of the users of this server."""

    async def register(self, account: NewAccount, session: NewSession | None) -> Registered:
        """Make an account, with its first session, unless the user ID is taken or the reserved
        registration token is not there any more."""
        ...

    async def upgrade_guest(self, account: NewAccount, session: NewSession | None) -> Registered:
        """Make a full account of a guest's, with another session, unless it is not a guest's or
        the reserved registration token is not there any more."""
        ...

    async def account(self, user_id: UserId) -> Account | None:
        """An account, also a deactivated one."""
        ...

    async def credentials(self, user_id: UserId) -> Credentials | None:
        """An account with the hash of its password."""
        ...

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        """Replace the hash of a password."""
        ...

    async def set_locked(self, user_id: UserId, locked: bool) -> None:
        """Lock or unlock an account."""
        ...

    async def set_suspended(self, user_id: UserId, suspended: bool) -> None:
        """Suspend an account, or end that."""
        ...

    async def deactivate(self, user_id: UserId, *, erase: bool) -> list[DeviceId]:
        """Close an account for good: no devices and no tokens remain. The devices it had.

        ``erase`` forgets the password's hash as well and marks the user's content for erasure. The
        user is remembered as one who must leave their rooms.
        """
        ...

    async def must_leave_rooms(self) -> list[UserId]:
        """Deactivated users who have not left all their rooms yet."""
        ...

    async def has_left_rooms(self, user_id: UserId) -> None:
        """A deactivated user has left all their rooms."""
        ...


class AccountEvents(Protocol):
    """Told of what happens to accounts and devices, after it was stored and before the answer."""

    async def user_registered(self, user_id: UserId, display_name: str | None) -> None:
        """There is a new user. ``display_name`` is set when it was given at the registration."""
        ...

    async def user_deactivated(self, user_id: UserId, *, erase: bool) -> None:
        """A user has closed their account; ``erase`` asks to erase what can be erased."""
        ...

    async def device_changed(self, user_id: UserId, device_id: DeviceId) -> None:
        """A device is new or has another display name."""
        ...

    async def device_deleted(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """Devices are gone, and so must be their keys and messages."""
        ...

    async def sessions_ended(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """The access tokens of these devices, which may live on, do not work any more."""
        ...


class UnobservedAccounts:
    """For where nobody follows the accounts."""

    async def user_registered(self, user_id: UserId, display_name: str | None) -> None:
        """See :class:`AccountEvents`."""

    async def user_deactivated(self, user_id: UserId, *, erase: bool) -> None:
        """See :class:`AccountEvents`."""

    async def device_changed(self, user_id: UserId, device_id: DeviceId) -> None:
        """See :class:`AccountEvents`."""

    async def device_deleted(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """See :class:`AccountEvents`."""

    async def sessions_ended(self, user_id: UserId, device_ids: Sequence[DeviceId]) -> None:
        """See :class:`AccountEvents`."""
