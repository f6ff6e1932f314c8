"""A room that an answer is to tell of."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.ports.rooms.rooms import Order, UserRoom
from homeserver.rooms.view import RoomView
from homeserver.sync.session import Session
from homeserver.sync.sliding.room_configs import RoomConfig


@attrs.frozen(slots=True)
class Telling:
    """A room that is to be told of.

    ``since`` is the position up to which the client knows it by the config ``known``, both None
    when it is told from scratch; ``until`` is where the answer ends. ``held`` is the place from
    which on the client has every event, and ``knows_members`` are those it was sent because they
    are loaded lazily.
    """

    session: Session
    room: UserRoom
    view: RoomView
    config: RoomConfig
    since: int | None
    until: int
    known: RoomConfig | None = None
    held: Order | None = None
    knows_members: Collection[UserId] = frozenset()

    @property
    def is_initial(self) -> bool:
        """Whether it is told from scratch."""
        return self.since is None
