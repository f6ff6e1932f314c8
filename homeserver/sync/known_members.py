"""Which members a device has been sent, so that lazily loaded ones are not sent again."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.log.tokens import SyncToken

# How many answers may be on their way to a device, and of how many rooms its members are noted.
ANSWERS = 4
ROOMS = 500

_NOBODY: frozenset[UserId] = frozenset()


@attrs.define(slots=True)
class KnownMembers:
    """What one device knows. It is kept lossily: what is forgotten is sent again.

    What an answer carried counts once the device comes back with that answer's token. Members who
    change stay known: the timeline tells of the change, or the state where it has a gap.
    """

    _known: dict[int, set[UserId]] = attrs.Factory(dict)
    _sent: dict[tuple[int, ...], list[tuple[int, UserId]]] = attrs.Factory(dict)
    _acknowledged: tuple[int, ...] = ()

    def of(self, nid: int) -> set[UserId] | frozenset[UserId]:
        """The members of a room that the device knows."""
        return self._known.get(nid, _NOBODY)

    def begin_again(self) -> None:
        """The device knows nothing any more: it syncs from scratch."""
        self._known.clear()
        self._sent.clear()
        self._acknowledged = ()

    def send(self, token: SyncToken, nid: int, user_ids: Iterable[UserId]) -> None:
        """The answer that ends in a token carries members of a room."""
        self._sent.setdefault(token.positions, []).extend((nid, user_id) for user_id in user_ids)

    def acknowledge(self, token: SyncToken) -> None:
        """The device has received the answer that ended in a token."""
        if any(map(int.__lt__, token.positions, self._acknowledged)):
            # It went back to an older answer, and may have lost what came with those after it.
            self._known.clear()
        self._acknowledged = token.positions
        for nid, user_id in self._sent.pop(token.positions, ()):
            self._known.setdefault(nid, set()).add(user_id)
        if len(self._sent) > ANSWERS:
            self._sent.clear()
        if len(self._known) > ROOMS:
            self._known.clear()

    def forget(self, nid: int) -> None:
        """The user was out of a room, and has not been told who changed meanwhile."""
        self._known.pop(nid, None)
