"""Every server that something is due to, and up to where the log has been handed out to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from federation.outbound.destination import Destination, State
from federation.outbound.due import Due
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import RoomId, ServerName, UserId
from homeserver.ports.federation.outbound import Positions, PublicReceipt


class Destinations:
    """Servers that something is due to; those whom this one does not talk to are passed over."""

    def __init__(
        self, own_name: ServerName, peers: FederationPeers, positions: Sequence[int]
    ) -> None:
        self._own_name = own_name
        self._peers = peers
        self._known: dict[ServerName, Destination] = {}
        self._held: dict[object, tuple[int, int]] = {}
        self.passed: list[int] = list(positions)
        """Up to where, by shard, the log has been handed out."""
        self.caught_up: set[ServerName] = set()
        """Those that are gone from here and were saved as behind."""
        self.notify: Callable[[Destination], None] = lambda destination: None

    def __iter__(self) -> Iterator[Destination]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def get(self, name: ServerName) -> Destination | None:
        """A server that something is due to."""
        return self._known.get(name)

    def open(self, name: ServerName) -> Destination:
        """A server that something will be due to at once."""
        destination = self._known.get(name)
        if destination is None:
            destination = self._known[name] = Destination(name)
            if name in self.caught_up:
                self.caught_up.discard(name)
                destination.saved = ()
        return destination

    def close(self, destination: Destination) -> None:
        """Forget a server if nothing is due to it."""
        if destination.is_idle and self._known.get(destination.name) is destination:
            del self._known[destination.name]
            if destination.saved is not None:
                self.caught_up.add(destination.name)

    @contextmanager
    def held(self, shard: int, position: int) -> Iterator[None]:
        """While it is being found out to whom what is at a position is due."""
        mark = object()
        self._held[mark] = (shard, position)
        try:
            yield
        finally:
            del self._held[mark]

    def floor(self) -> Positions:
        """Up to where all that are not behind have been sent everything."""
        floor = list(self.passed)
        for shard, position in self._held.values():
            floor[shard] = min(floor[shard], position - 1)
        for destination in self._known.values():
            if not destination.is_behind:
                floor = list(map(min, floor, destination.reached(self.passed)))
        return tuple(floor)

    def count(self, state: State) -> int:
        """How many servers something is due to, by how that stands."""
        return sum(each.state is state for each in self._known.values())

    def lag(self) -> int:
        """How many positions of the log the slowest server has still to be sent, of those that
        answer."""
        lags = (
            sum(self.passed) - sum(each.reached(self.passed))
            for each in self._known.values()
            if not each.is_away
        )
        return max(lags, default=0)

    # --- handing out

    def others(self, names: Iterable[ServerName]) -> list[ServerName]:
        """Those among some servers that are sent anything."""
        return [name for name in names if name != self._own_name and self._peers.allows(name)]

    def due(self, names: Iterable[ServerName], due: Due) -> None:
        """Something is due to some servers."""
        for destination in self._opened(names):
            destination.add(due, self.passed)
            self.notify(destination)

    def due_since(self, names: Iterable[ServerName], positions: Positions) -> None:
        """Some servers may lack what is after a place in the log."""
        for destination in self._opened(names):
            destination.begin_at(positions)
            self.notify(destination)

    def due_messages(self, names: Iterable[ServerName]) -> None:
        """Messages to devices wait for some servers."""
        for destination in self._opened(names):
            destination.has_messages = True
            self.notify(destination)

    def receipt(self, names: Iterable[ServerName], receipt: PublicReceipt) -> None:
        """A receipt moved."""
        for destination in self._opened(names):
            destination.add_receipt(receipt)
            self.notify(destination)

    def typing(
        self, names: Iterable[ServerName], room_id: RoomId, user_id: UserId, is_typing: bool
    ) -> None:
        """A user begins or ends to type; those who are behind do not learn of it."""
        for destination in self._present(names):
            destination.ephemeral.add_typing(room_id, user_id, is_typing)
            self.notify(destination)

    def presence(
        self, names: Iterable[ServerName], user_id: UserId, content: Mapping[str, Any]
    ) -> None:
        """The presence of a user changed; those who are behind do not learn of it."""
        for destination in self._present(names):
            destination.ephemeral.add_presence(user_id, content)
            self.notify(destination)

    def _opened(self, names: Iterable[ServerName]) -> Iterator[Destination]:
        for name in self.others(names):
            yield self.open(name)

    def _present(self, names: Iterable[ServerName]) -> Iterator[Destination]:
        for name in self.others(names):
            known = self._known.get(name)
            if known is None or not (known.is_behind or known.is_away):
                yield self.open(name)
