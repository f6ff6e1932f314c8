"""A server that something is due to, and how far it has been sent that.

One that keeps up has all that is due to it in a queue, by reference. One that does not is behind:
then its cursor says how far it got, and the queue holds the part after the cursor that was read, if
any was. A server that nothing is due to is not kept at all.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs

from federation.outbound.due import Due, DueEvent
from federation.outbound.ephemeral import Ephemeral
from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import DelayedCall
from homeserver.ports.federation.outbound import Positions, PublicReceipt

MOST_QUEUED: Final = 1_000
"""How much may be due to a destination that keeps up."""


class State(enum.Enum):
    """How what is due to a server stands."""

    SENDING = "sending"
    CATCHING_UP = "catching_up"
    AWAY = "away"


@attrs.define(slots=True, eq=False)
class Destination:
    """A server that something is due to.

    ``cursor`` is how far it got while it is behind; ``until`` how far the queue reaches then.
    ``has_more`` tells that something may be due beyond the queue, ``has_messages`` that messages to
    devices are.
    """

    name: ServerName
    queue: deque[Due] = attrs.Factory(deque)
    ephemeral: Ephemeral = attrs.Factory(Ephemeral)
    is_behind: bool = False
    cursor: list[int] = attrs.Factory(list)
    until: Positions | None = None
    has_more: bool = False
    has_messages: bool = False
    sending: list[Due] = attrs.Factory(list)
    sending_receipts: list[PublicReceipt] = attrs.Factory(list)
    is_busy: bool = False
    is_ready: bool = False
    refusals: int = 0
    retry: DelayedCall | None = None
    saved: Positions | None = None

    @property
    def is_away(self) -> bool:
        """Whether it is left alone for now."""
        return self.retry is not None

    @property
    def state(self) -> State:
        """How what is due to it stands."""
        if self.is_away:
            return State.AWAY
        return State.CATCHING_UP if self.is_behind else State.SENDING

    @property
    def is_due(self) -> bool:
        """Whether anything is due to it."""
        return bool(self.is_behind or self.queue or self.ephemeral or self.has_messages)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due to it, nor on its way."""
        return not (self.is_due or self.is_busy or self.is_away)

    def add(self, due: Due, passed: Sequence[int]) -> None:
        """Something is due to it. ``passed`` is up to where all has been handed out before."""
        if self.is_behind:
            if self.until is not None and due.position <= self.until[due.shard]:
                # It was found out after that part was read: read again.
                self._forget_queue()
            self.cursor[due.shard] = min(self.cursor[due.shard], due.position - 1)
            self.has_more = True
        elif len(self.queue) >= MOST_QUEUED:
            self.cursor = list(self.reached(passed))
            self.is_behind = self.has_more = True
            until = list(passed)
            until[due.shard] = min(until[due.shard], due.position - 1)
            self.until = tuple(until)
        else:
            self.queue.append(due)

    def reached(self, passed: Sequence[int]) -> Positions:
        """Up to where it has been sent everything, if all up to ``passed`` was handed out."""
        if self.is_behind:
            return tuple(self.cursor)
        reached = list(passed)
        waiting: list[Due | PublicReceipt] = [*self.sending, *self.queue]
        waiting += self.sending_receipts
        waiting += self.ephemeral.receipts.values()
        for due in waiting:
            reached[due.shard] = min(reached[due.shard], due.position - 1)
        return tuple(reached)

    def add_receipt(self, receipt: PublicReceipt) -> None:
        """A receipt moved."""
        if self.is_behind:
            self.has_more = True
        else:
            self.ephemeral.add_receipt(receipt)

    def fall_behind(self, passed: Sequence[int]) -> None:
        """It does not answer: keep of what is due only from where on."""
        self.cursor = list(self.reached(passed))
        self.is_behind = self.has_more = True
        self.ephemeral = Ephemeral()
        self._forget_queue()

    def begin_at(self, positions: Sequence[int]) -> None:
        """It may lack what is after some place in the log."""
        if not self.is_behind:
            self.fall_behind(positions)
        self.cursor = list(map(min, self.cursor, positions))
        self._forget_queue()
        self.has_more = True

    def _forget_queue(self) -> None:
        self.queue.clear()
        self.sending.clear()
        self.sending_receipts.clear()
        self.until = None

    def acknowledged(self) -> None:
        """What was being sent has arrived."""
        if self.is_behind:
            self._advance_cursor()
        self.sending.clear()
        self.sending_receipts.clear()

    def _advance_cursor(self) -> None:
        # What is at one position may be sent in parts, and what is read is in the order of
        # positions, whatever the shard.
        following = self.queue[0] if self.queue else None
        for due in self.sending:
            if following is None or due.position < following.position:
                self.cursor[due.shard] = max(self.cursor[due.shard], due.position)

    def finish_part(self) -> None:
        """The part that was read is sent; if there is no other, it keeps up again."""
        if self.until is not None:
            self.cursor = list(self.until)
            self.until = None
        if not self.has_more:
            self.is_behind = False

    def take(self, events: int, edus: int) -> list[Due]:
        """The first things in the queue that fit, which are being sent from now on."""
        self.sending = []
        while self.queue:
            if isinstance(self.queue[0], DueEvent):
                events -= 1
            else:
                edus -= 1
            if events < 0 or edus < 0:
                break
            self.sending.append(self.queue.popleft())
        return list(self.sending)
