"""Which servers are in a room, and whom to ask about it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName, server_name_of
from homeserver.rooms.view import RoomView

MOST_ASKED: Final = 4
"""How many servers are asked the same."""


class RoomServers:
    """Knows the servers in rooms, this one apart."""

    def __init__(self, own_name: ServerName) -> None:
        self._own_name = own_name

    def has_local_users(self, room: RoomView) -> bool:
        """Whether users of this server are in a room."""
        return room.is_known and self._own_name in room.joined_servers

    def to_ask(self, room: RoomView, *first: ServerName) -> list[ServerName]:
        """Servers that probably know most of a room, the best first.

        ``first`` come before all others. Then those whose users have more power than most, then
        those with many users.
        """
        powers: Counter[ServerName] = Counter()
        users: Counter[ServerName] = Counter()
        levels = room.power_levels
        for user_id in room.joined():
            server = server_name_of(user_id)
            users[server] += 1
            powers[server] = max(powers[server], levels.user_level(user_id))
        ranked = sorted(users, key=lambda server: (-powers[server], -users[server], server))
        ordered = dict.fromkeys([*first, *ranked])
        return [server for server in ordered if server != self._own_name][:MOST_ASKED]

    def to_ask_about(self, room: RoomView, event: Event, origin: ServerName) -> list[ServerName]:
        """Servers that may know what an event refers to: who sent it to us, who made it, others."""
        return self.to_ask(room, origin, server_name_of(event.sender))
