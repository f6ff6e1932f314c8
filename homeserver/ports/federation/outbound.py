"""What sending to other servers asks of storage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.ports.database import Transaction

Positions = tuple[int, ...]
"""A place in the log: one position for each shard, as in a sync token."""


@attrs.frozen(slots=True)
class SavedCursors:
    """How far destinations have been sent what is theirs.

    ``floor`` holds for those that are not among ``behind``; None when nothing was sent ever.
    """

    floor: Positions | None
    behind: Mapping[ServerName, Positions]


@attrs.frozen(slots=True)
class ServerMove:
    """A server came into a room or left it with the event at a position; ``is_in`` is None for
    one that was never in it and has to be told of this event alone."""

    server: ServerName
    room_nid: int
    position: int
    is_in: bool | None


@attrs.frozen(slots=True)
class Presence:
    """The servers that are in a room after the event at a position."""

    room_nid: int
    position: int
    servers: tuple[ServerName, ...]


@attrs.frozen(slots=True)
class CursorChanges:
    """What to save: see :class:`SavedCursors`. ``caught_up`` are not behind any more."""

    floor: Positions
    behind: Mapping[ServerName, Positions]
    caught_up: Collection[ServerName]
    presences: Sequence[Presence] = ()
    moves: Sequence[ServerMove] = ()


@attrs.frozen(slots=True)
class Window:
    """What happened after one place in the log, up to and with another."""

    after: Positions
    until: Positions


@attrs.frozen(slots=True)
class MissedEvent:
    """An event that a destination was not sent."""

    shard: int
    position: int
    nid: int


@attrs.frozen(slots=True)
class PublicReceipt:
    """A receipt that everyone in the room sees; ``thread_id`` is "" when it is unthreaded."""

    room_id: RoomId
    user_id: UserId
    thread_id: str
    event_id: EventId
    ts: int
    shard: int
    position: int


@attrs.frozen(slots=True)
class TouchedRooms:
    """What happened in a window that concerns other servers: the rooms in which this server's users
    wrote or memberships changed, and the users of this server whose keys changed, each with the
    place of the change."""

    rooms: Mapping[int, tuple[int, int]]
    keys: Mapping[UserId, tuple[int, int]]


class OutboundStore(Protocol):
    """Cursors of destinations, and what lies behind them."""

    async def cursors(self) -> SavedCursors:
        """How far everyone was when that was saved last."""
        ...

    async def save(self, changes: CursorChanges) -> None:
        """Save how far everyone is, and which servers are in rooms."""
        ...

    async def touched(self, window: Window) -> TouchedRooms:
        """What happened in a window."""
        ...

    async def missed_events(
        self, server: ServerName, window: Window, limit: int
    ) -> list[MissedEvent]:
        """The first events in a window that a server has to be sent, by position."""
        ...

    async def newest_missed(self, server: ServerName, window: Window) -> list[MissedEvent]:
        """Of each room the newest of the events that a server has to be sent, by position."""
        ...

    async def missed_receipts(
        self, server: ServerName, window: Window, limit: int
    ) -> list[PublicReceipt]:
        """The public receipts of this server's users in the rooms that a server is in."""
        ...

    async def relayed(self, noted_after_ts: int) -> list[EventId]:
        """The events that are to be relayed; those noted before a time are forgotten."""
        ...

    async def relay(self, event_id: EventId, now_ms: int) -> None:
        """Note that an event of another server is this one's to send."""
        ...

    async def servers_in(self, room_nids: Collection[int]) -> set[ServerName]:
        """The servers that are in some rooms, as it was saved last."""
        ...

    async def has_peers(self) -> bool:
        """Whether any other server is in a room."""
        ...


@attrs.frozen(slots=True)
class OutboundMessage:
    """A message for devices of users of another server; ``content`` is that of its EDU.

    ``number`` orders the messages to a destination.
    """

    destination: ServerName
    number: int
    message_id: str
    content: bytes


class OutboundMessageStore(Protocol):
    """Messages to devices of other servers' users, until they are acknowledged."""

    def put(self, tx: Transaction, messages: Sequence[OutboundMessage]) -> None:
        """Keep messages; those that are waiting already are passed over."""
        ...

    async def destinations(self) -> list[ServerName]:
        """For whom something waits."""
        ...

    async def last_number(self) -> int:
        """The greatest number of a message that waits; 0 without any."""
        ...

    async def waiting(self, destination: ServerName, limit: int) -> list[OutboundMessage]:
        """The first messages that wait for a destination, in order."""
        ...

    async def acknowledge(self, destination: ServerName, until: int) -> None:
        """Forget the messages up to and with a number."""
        ...


@attrs.frozen(slots=True)
class DeviceChange:
    """The change of a device of this server, at a position of the log of its user's shard."""

    user_id: UserId
    stream_id: int
    device_id: str
    shard: int
    position: int


@attrs.frozen(slots=True)
class SigningKeyChange:
    """The change of a user's cross-signing keys that others see."""

    user_id: UserId
    shard: int
    position: int


@attrs.frozen(slots=True)
class KeyChanges:
    """What others have to be told about keys."""

    devices: list[DeviceChange]
    signing_keys: list[SigningKeyChange]


@attrs.frozen(slots=True)
class OwnDevice:
    """A device as others see it; ``keys`` is its signed JSON object."""

    user_id: UserId
    device_id: str
    keys: bytes
    display_name: str | None


@attrs.frozen(slots=True)
class OwnDeviceList:
    """All that others see of a user's devices, at a version of the list."""

    stream_id: int
    devices: list[OwnDevice]
    cross_signing: Mapping[str, bytes]


class DeviceListStreamStore(Protocol):
    """The devices of this server's users, and the changes that others are told of."""

    async def record(
        self, user_id: UserId, shard: int, position: int, *, announce: bool
    ) -> KeyChanges:
        """Compare the keys of a user with those that were recorded last, and record what differs
        as changes at a position; all of the devices when ``announce``."""
        ...

    async def missed(self, server: ServerName, window: Window) -> KeyChanges:
        """The changes in a window of users who share a room with a server, by position."""
        ...

    async def devices(self, user_ids: Collection[UserId]) -> list[OwnDevice]:
        """The devices of users as others see them."""
        ...

    async def cross_signing(self, user_ids: Collection[UserId]) -> dict[UserId, dict[str, bytes]]:
        """The master and self-signing keys of users, by usage."""
        ...

    async def device_list(self, user_id: UserId) -> OwnDeviceList:
        """Everything that others see of a user's devices."""
        ...
