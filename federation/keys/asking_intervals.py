"""How often other servers are asked for their keys."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import attrs

from homeserver.domain.identifiers import ServerName
from homeserver.ports.clock import Clock

FIRST_SECONDS: Final = 30.0
"""How long a server is left in peace after it was asked.

Whoever names a key that does not exist makes us ask, so this is not longer after an answer: the
server may be about to replace its keys.
"""

LONGEST_SECONDS: Final = 600.0
"""How long a server is left in peace that does not answer: twice as long each time, up to this."""


@attrs.frozen(slots=True)
class _Asked:
    again_at: float
    pause: float


class AskingIntervals:
    """Remembers, for some servers, from when on they may be asked again."""

    def __init__(self, clock: Clock, capacity: int = 20_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._asked: OrderedDict[ServerName, _Asked] = OrderedDict()

    def is_due(self, server: ServerName) -> bool:
        """Whether the server may be asked now."""
        asked = self._asked.get(server)
        return asked is None or self._clock.monotonic() >= asked.again_at

    def note_answer(self, server: ServerName) -> None:
        """The server has answered, whether it had what was wanted or not."""
        self._note(server, FIRST_SECONDS)

    def note_failure(self, server: ServerName) -> None:
        """The server has not answered, or not as it should."""
        asked = self._asked.get(server)
        pause = FIRST_SECONDS if asked is None else min(asked.pause * 2, LONGEST_SECONDS)
        self._note(server, pause)

    def _note(self, server: ServerName, pause: float) -> None:
        self._asked[server] = _Asked(self._clock.monotonic() + pause, pause)
        self._asked.move_to_end(server)
        if len(self._asked) > self._capacity:
            self._asked.popitem(last=False)
