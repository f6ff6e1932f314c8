"""What following the devices of other servers' users asks of storage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction


@attrs.frozen(slots=True)
class RemoteDevice:
    """A device of a user of another server; ``keys`` is its signed JSON object."""

    user_id: UserId
    device_id: DeviceId
    keys: bytes
    display_name: str | None


@attrs.frozen(slots=True)
class ListStanding:
    """The last change that is in a list of devices, and whether none is known to be missing."""

    stream_id: int
    is_valid: bool


@attrs.frozen(slots=True)
class RemoteDeviceList:
    """All devices of a user, and the cross-signing keys by usage."""

    stream_id: int
    devices: Sequence[RemoteDevice]
    cross_signing: Mapping[str, bytes]


class RemoteDeviceListStore(Protocol):
    """Lists of the devices of users whose servers tell of changes."""

    async def standing(self, user_id: UserId) -> ListStanding | None:
        """How the list of a user stands; None when there is none."""
        ...

    async def valid(self, user_ids: Collection[UserId]) -> dict[UserId, RemoteDeviceList]:
        """The lists of those users that can be relied on."""
        ...

    async def seen(self, user_ids: Collection[UserId]) -> set[UserId]:
        """Those users who are in a room with a user of this server."""
        ...

    def replace(self, tx: Transaction, user_id: UserId, devices: RemoteDeviceList) -> None:
        """Store a whole list, which is valid from now on."""
        ...

    def advance(
        self,
        tx: Transaction,
        user_id: UserId,
        stream_id: int,
        changed: RemoteDevice | None,
        deleted: DeviceId | None,
    ) -> None:
        """Carry out a change of a valid list."""
        ...

    def put_cross_signing(
        self, tx: Transaction, user_id: UserId, keys: Mapping[str, bytes]
    ) -> None:
        """Store cross-signing keys of a user whose list is stored, in place of all others."""
        ...

    def invalidate(self, tx: Transaction, user_id: UserId) -> None:
        """Note that a list lacks changes."""
        ...

    async def forget_unseen(self, user_ids: Collection[UserId]) -> None:
        """Forget the lists of those users who are in no room with a user of this server."""
        ...
