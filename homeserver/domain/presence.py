"""Whether a user is there, from what their clients say and do.

Client-server API, "Presence". Times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import attrs

IDLE_AFTER_MS: Final = 300_000
"""Who has done nothing for this long is unavailable."""


class PresenceState(StrEnum):
    """How reachable a user is."""

    ONLINE = "online"
    UNAVAILABLE = "unavailable"
    OFFLINE = "offline"


@attrs.define(slots=True)
class Connection:
    """A client that is there until some time, and whether its user is, as far as it knows."""

    state: PresenceState
    until_ms: int


@attrs.define(slots=True)
class Availability:
    """What is known of one user.

    ``chosen`` is a state that the user has set by hand: "unavailable" holds until they do
    something, "offline" until a client comes that does not hide.
    """

    connections: dict[str, Connection] = attrs.Factory(dict)
    last_active_ms: int = 0
    chosen: PresenceState | None = None

    def connect(self, client: str, state: PresenceState, now_ms: int, until_ms: int) -> None:
        """A client is there until some time, and marks the user as ``state`` by that.

        A client that comes, or to which its user comes back, shows that the user is active. One
        that hides ("offline") is as if it were not there.
        """
        if state is PresenceState.OFFLINE:
            self.connections.pop(client, None)
            return
        if self.chosen is PresenceState.OFFLINE:
            self.chosen = None
        connection = self.connections.get(client)
        if connection is None:
            connection = self.connections[client] = Connection(PresenceState.OFFLINE, now_ms)
        was_there = connection.state is PresenceState.ONLINE and connection.until_ms > now_ms
        if state is PresenceState.ONLINE and not was_there:
            self.act(now_ms)
        connection.state, connection.until_ms = state, until_ms

    def act(self, now_ms: int) -> None:
        """The user has done something."""
        self.last_active_ms = now_ms
        if self.chosen is PresenceState.UNAVAILABLE:
            self.chosen = None

    def choose(self, client: str, state: PresenceState, now_ms: int, until_ms: int) -> None:
        """The user sets their state by hand, through a client that is there for a while."""
        if state is PresenceState.OFFLINE:
            self.connections.clear()
        else:
            self.connections[client] = Connection(PresenceState.ONLINE, until_ms)
        self.last_active_ms = now_ms
        self.chosen = state if state is not PresenceState.ONLINE else None

    def state(self, now_ms: int) -> PresenceState:
        """Where the user stands now."""
        states = [c.state for c in self.connections.values() if c.until_ms > now_ms]
        if not states or self.chosen is PresenceState.OFFLINE:
            return PresenceState.OFFLINE
        idle = now_ms - self.last_active_ms >= IDLE_AFTER_MS
        if idle or self.chosen is not None or PresenceState.ONLINE not in states:
            return PresenceState.UNAVAILABLE
        return PresenceState.ONLINE

    def next_change(self, now_ms: int) -> int | None:
        """When the state may change if nothing happens; None for never."""
        return min(self._changes(now_ms), default=None)

    def _changes(self, now_ms: int) -> Iterator[int]:
        there = False
        for connection in self.connections.values():
            if connection.until_ms > now_ms:
                there = True
                yield connection.until_ms
        if there and now_ms - self.last_active_ms < IDLE_AFTER_MS:
            yield self.last_active_ms + IDLE_AFTER_MS

    def forget_gone(self, now_ms: int) -> None:
        """Drop the clients that are not there any more."""
        gone = [client for client, c in self.connections.items() if c.until_ms <= now_ms]
        for client in gone:
            del self.connections[client]
