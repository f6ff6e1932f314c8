"""What receiving events of other servers asks of storage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import attrs

from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName


@attrs.frozen(slots=True)
class StagedPdu:
    """An event that was checked and waits to be judged.

    ``arrival`` orders what arrived. ``attempts`` counts how often what it refers to could not be
    had; it is not tried again before ``retry_after_ms``.
    """

    arrival: int
    origin: ServerName
    room_nid: int
    event: Event
    attempts: int = 0
    retry_after_ms: int = 0

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.event.pdu)


@attrs.frozen(slots=True)
class AnsweredTransaction:
    """A transaction of another server, and the JSON that it was answered."""

    origin: ServerName
    txn_id: str
    answer: bytes


class StagingStore(Protocol):
    """Events between their arrival and their judgement."""

    async def stage(
        self, staged: Sequence[StagedPdu], transaction: AnsweredTransaction | None = None
    ) -> None:
        """Store events, and the answer to the transaction that brought them; all or nothing."""
        ...

    async def answer(self, origin: ServerName, txn_id: str) -> bytes | None:
        """What the last transaction of a server was answered, if this is that one."""
        ...

    async def staged(self, after: int, limit: int) -> list[StagedPdu]:
        """What is staged, by arrival, from after an arrival on."""
        ...

    async def last_arrival(self) -> int:
        """The greatest arrival that is staged; 0 without any."""
        ...

    async def postpone(self, staged: StagedPdu) -> None:
        """Note the attempts of an event, and when it is tried next."""
        ...

    async def remove(self, arrivals: Collection[int]) -> None:
        """Forget events that were judged, or are given up."""
        ...
