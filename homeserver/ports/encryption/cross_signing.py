"""What the floors above ask of storage about cross-signing keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs
import msgspec

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.ports.database import Transaction


@attrs.frozen(slots=True)
class CrossSigningRow:
    """A cross-signing key; ``key`` is its signed JSON object."""

    user_id: UserId
    usage: str
    public_key: str
    key: bytes


class SeenCrossSigningRow(msgspec.Struct, frozen=True, gc=False):
    """A cross-signing key as somebody sees it: with the signatures that they made, by key ID.

    A query has thousands of them, so they are made cheaply.
    """

    user_id: UserId
    usage: str
    public_key: str
    key: bytes
    signatures: Mapping[str, str]


@attrs.frozen(slots=True)
class UserSignature:
    """A signature of a user on the master key of another."""

    user_id: UserId
    public_key: str
    signing_key_id: str
    signature: str


class CrossSigningStore(Protocol):
    """Cross-signing keys, and the signatures that only their makers see."""

    async def keys(self, user_ids: Collection[UserId], viewer: UserId) -> list[SeenCrossSigningRow]:
        """The cross-signing keys of users that a viewer sees, in one query: user-signing keys are
        for their owners."""
        ...

    async def published(self, user_ids: Collection[UserId]) -> list[CrossSigningRow]:
        """All cross-signing keys of users, in one query. User-signing keys are for their owners."""
        ...

    async def signatures(self, signer: UserId, user_ids: Collection[UserId]) -> list[UserSignature]:
        """The signatures that a user made on the keys of some others."""
        ...

    def read(self, tx: Transaction, user_id: UserId) -> dict[str, CrossSigningRow]:
        """The cross-signing keys of a user, by usage."""
        ...

    def put(self, tx: Transaction, rows: Sequence[CrossSigningRow]) -> None:
        """Store keys in place of those of their usage."""
        ...

    def remove(self, tx: Transaction, user_id: UserId, usages: Sequence[str]) -> None:
        """Forget keys."""
        ...

    def devices_named(
        self, tx: Transaction, user_id: UserId, names: Sequence[str]
    ) -> list[DeviceId]:
        """The devices of a user whose IDs are among these."""
        ...

    def add_signatures(
        self,
        tx: Transaction,
        signer: UserId,
        signatures: Sequence[UserSignature],
        position: int,
    ) -> None:
        """Store signatures of a user on the keys of others."""
        ...
