"""What the floors above ask of storage about push rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Transaction


class PushRuleStore(Protocol):
    """What users changed about the predefined push rules, in the form of
    :meth:`homeserver.domain.push_rules.UserPushRules.to_stored`."""

    async def of(self, user_ids: Sequence[UserId]) -> dict[UserId, bytes]:
        """The changes of those users who made any."""
        ...

    async def individual(self) -> dict[UserId, bytes]:
        """The changes of every user whose unread events are counted one by one."""
        ...

    def put(self, tx: Transaction, user_id: UserId, stored: bytes, *, individual: bool) -> None:
        """Store the changes of a user."""
        ...
