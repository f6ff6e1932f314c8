"""Which rooms an extension tells of, and from where on. MSC4508, "Common per-room extension
semantics".

A room is in scope while it is in the window of a list, or subscribed to, that the extension is to
apply to. What happens while it is not is told when it comes back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from homeserver.log.tokens import SyncToken
from homeserver.sync.session import Session
from homeserver.sync.sliding.requests import ExtensionConfig
from homeserver.sync.sliding.rounds import SlidingRound

EVERYTHING: Final = "*"

# How many connections of one user are remembered.
_CONNECTIONS: Final = 20

_ConnectionKey = tuple[str | None, str]


@attrs.frozen(slots=True)
class Scope:
    """The rooms of one answer, by number.

    ``choices`` make up the scope. ``news`` are the rooms in it of which something may have to be
    told, with the position after which; None for everything. ``known`` are those of which the
    client is to be told whatever is not told by room.
    """

    choices: Sequence[Collection[int]]
    news: Mapping[int, int | None]
    known: Collection[int]

    def __contains__(self, nid: int) -> bool:
        return any(nid in chosen for chosen in self.choices)

    def joined(self, session: Session) -> dict[int, int | None]:
        """Of ``news`` the rooms that the user is in."""
        return {
            nid: since
            for nid, since in self.news.items()
            if (room := session.rooms.get(nid)) is not None and room.membership == "join"
        }


class ScopeMemory:
    """Finds the scope of answers, for one extension.

    An extension that applies to all lists and subscriptions tells of a room whenever the core does,
    which knows how much was told of each. For one that applies to some of them it is noted here
    which rooms it has told of. The notes are of this process; where they are missing, rooms are
    told in full.
    """

    def __init__(self) -> None:
        self._entered: WeakKeyDictionary[
            Session, OrderedDict[_ConnectionKey, dict[int, str | None]]
        ] = WeakKeyDictionary()

    def look(self, now: SlidingRound, config: ExtensionConfig) -> Scope:
        """The scope of an answer."""
        if _is_restricted(config):
            rooms = rooms_in_scope(now, config)
            news = _touched(now, [rooms])
            news |= dict.fromkeys(self._entering(now, rooms))
            news |= dict.fromkeys(now.initial & rooms)
            return Scope([rooms], news, rooms)
        choices = [now.subscribed, *now.lists.values()]
        news = _touched(now, choices)
        news |= now.returned
        news |= dict.fromkeys(now.initial)
        return Scope(choices, news, now.sent)

    def _entering(self, now: SlidingRound, rooms: frozenset[int]) -> list[int]:
        """The rooms that came into scope with this answer, or with one to the same request, of
        which nobody knows whether it arrived."""
        entered = self._of(now)
        for nid in entered.keys() - rooms:
            del entered[nid]
        pos = now.request.pos
        return [nid for nid in rooms if entered.setdefault(nid, pos) == pos]

    def _of(self, now: SlidingRound) -> dict[int, str | None]:
        """By room in scope: the ``pos`` to which the answer was that told of it first."""
        connections = self._entered.setdefault(now.session, OrderedDict())
        key = (now.device_id, now.request.conn_id)
        entered = connections.pop(key, None)
        if entered is None or now.since is None:
            entered = {}
        connections[key] = entered
        if len(connections) > _CONNECTIONS:
            connections.popitem(last=False)
        return entered


def rooms_in_scope(now: SlidingRound, config: ExtensionConfig) -> frozenset[int]:
    """The rooms that a configuration applies to. Names of lists and rooms that are not in the
    request are ignored."""
    if config.lists is None or EVERYTHING in config.lists:
        windows = list(now.lists.values())
    else:
        windows = [now.lists[name] for name in config.lists if name in now.lists]
    if config.rooms is None or EVERYTHING in config.rooms:
        return frozenset().union(*windows, now.subscribed)
    named = set(config.rooms)
    rooms = now.session.rooms
    subscribed = [
        nid for nid in now.subscribed if (room := rooms.get(nid)) and room.room_id in named
    ]
    return frozenset().union(*windows, subscribed)


def touched_after(session: Session, since: SyncToken) -> Iterator[int]:
    """The user's rooms in which anything came after a token, newest first in each shard."""
    for shard, touched in enumerate(session.touched):
        for nid in reversed(touched):
            if touched[nid] <= since.positions[shard]:
                break
            yield nid


def _touched(now: SlidingRound, choices: Sequence[Collection[int]]) -> dict[int, int | None]:
    """The rooms among some choices in which something came, with the position after which."""
    found: dict[int, int | None] = {}
    if now.since is None:
        return found
    for nid in now.session.rooms_after(now.since, now.until):
        room = now.session.rooms.get(nid)
        if room is None or not any(nid in chosen for chosen in choices):
            continue
        since = now.since.positions[room.shard]
        # Whoever comes into a room knows nothing of it.
        found[nid] = since if room.joined_position <= since else None
    return found


def _is_restricted(config: ExtensionConfig) -> bool:
    return any(
        names is not None and EVERYTHING not in names for names in (config.lists, config.rooms)
    )
