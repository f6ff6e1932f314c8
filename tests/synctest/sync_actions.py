"""What may happen in a history of rooms: plain values, so that a history can be printed, shrunk and
lived through again.

People, rooms and events are told by number; what is not there, or not allowed, does not happen.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs
from hypothesis import strategies as st

USERS = 3
ROOMS = 5
FACES = 3
SIZES = (100, 1, 2, 4)
"""How many rooms clients look at; first all of them."""


@attrs.frozen
class Create:
    """Somebody makes a room, and may invite somebody."""

    user: int
    is_public: bool
    invites: int | None


@attrs.frozen
class Say:
    """Somebody says something, to everyone, or mentioning somebody, or in a thread."""

    user: int
    room: int
    mentions: int | None = None
    in_thread: bool = False


@attrs.frozen
class Burst:
    """So much is said that clients have a gap."""

    user: int
    room: int
    count: int


@attrs.frozen
class SetState:
    """The state of a room changes. ``kind`` is an index of `STATES`."""

    user: int
    room: int
    kind: int
    value: int


@attrs.frozen
class Move:
    """A membership changes. ``change`` is an index of `MOVES`."""

    user: int
    room: int
    change: int
    other: int


@attrs.frozen
class Redact:
    """Somebody redacts one of the newest events."""

    user: int
    room: int
    back: int


@attrs.frozen
class Read:
    """Somebody has read up to one of the newest events."""

    user: int
    room: int
    back: int
    is_private: bool
    is_threaded: bool


@attrs.frozen
class Type:
    """Somebody begins or stops typing."""

    user: int
    room: int
    typing: bool


@attrs.frozen
class Keep:
    """Somebody sets account data, or removes it (value 0), for a room or globally."""

    user: int
    room: int | None
    kind: int
    value: int


@attrs.frozen
class Post:
    """Somebody sends messages to all devices of somebody."""

    user: int
    other: int
    count: int


@attrs.frozen
class Sync:
    """A client of somebody syncs; its answer may be lost on the way."""

    user: int
    face: int
    is_lost: bool = False


@attrs.frozen
class Poll:
    """A client of somebody syncs, and waits until there is something to tell."""

    user: int
    face: int


@attrs.frozen
class Look:
    """A client of somebody wants to see more of their rooms, or less: that many of the most
    recently active ones, with so many events. Only sliding ones can."""

    user: int
    face: int
    size: int
    timeline_limit: int


@attrs.frozen
class Wait:
    """Time passes."""

    seconds: int


@attrs.frozen
class Restart:
    """The server stops, and another process goes on."""


Action: TypeAlias = (
    Create
    | Say
    | Burst
    | SetState
    | Move
    | Redact
    | Read
    | Type
    | Keep
    | Post
    | Sync
    | Poll
    | Look
    | Wait
    | Restart
)

STATES = (
    "m.room.name",
    "m.room.topic",
    "org.example.flag",
    "m.room.join_rules",
    "m.room.member",
    "m.room.history_visibility",
)
MOVES = ("join", "leave", "invite", "kick", "ban", "unban", "knock")

_user = st.integers(0, USERS - 1)
_room = st.integers(0, ROOMS - 1)
_back = st.integers(0, 12)
_value = st.integers(0, 3)

_KINDS: tuple[tuple[int, st.SearchStrategy[Action]], ...] = (
    (1, st.builds(Create, _user, st.booleans(), st.none() | _user)),
    (5, st.builds(Say, _user, _room, st.none() | _user, st.booleans())),
    (1, st.builds(Burst, _user, _room, st.sampled_from([3, 12, 45]))),
    (3, st.builds(SetState, _user, _room, st.integers(0, len(STATES) - 1), _value)),
    (5, st.builds(Move, _user, _room, st.integers(0, len(MOVES) - 1), _user)),
    (1, st.builds(Redact, _user, _room, _back)),
    (3, st.builds(Read, _user, _room, _back, st.booleans(), st.booleans())),
    (1, st.builds(Type, _user, _room, st.booleans())),
    (2, st.builds(Keep, _user, st.none() | _room, st.integers(0, 2), _value)),
    (1, st.builds(Post, _user, _user, st.sampled_from([1, 2, 120]))),
    (9, st.builds(Sync, _user, st.integers(0, FACES - 1), st.sampled_from([False] * 4 + [True]))),
    (3, st.builds(Poll, _user, st.integers(0, FACES - 1))),
    (
        2,
        st.builds(
            Look,
            _user,
            st.integers(0, FACES - 1),
            st.sampled_from(SIZES),
            st.sampled_from([1, 4, 20]),
        ),
    ),
    (1, st.builds(Wait, st.sampled_from([1, 40]))),
    (1, st.builds(Restart)),
)


def actions() -> st.SearchStrategy[Action | None]:
    """One thing that happens, some more often than others. None, nothing, is the simplest."""
    weighted = [st.none(), *(kind for weight, kind in _KINDS for _ in range(weight))]
    return st.sampled_from(weighted).flatmap(lambda kind: kind)


def histories(length: int) -> st.SearchStrategy[list[Action]]:
    """Histories of so many actions, which shrink to less.

    Their length is fixed, as lists of any length would be short ones nearly always.
    """
    steps = st.lists(actions(), min_size=length, max_size=length)
    return steps.map(lambda drawn: [action for action in drawn if action is not None])
