"""Lazily loaded members: whose member events go along with a room's part of an answer.

Client-server API, "Lazy-loading room members".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homeserver.domain.identifiers import UserId
from homeserver.ports.rooms.events import StoredEvent, position_of_nid
from homeserver.ports.rooms.rooms import RoomStore
from homeserver.rooms.event_cache import EventCache
from homeserver.rooms.view import MEMBER, RoomView
from homeserver.sync.room_summary import heroes, needs_heroes
from homeserver.sync.windows import Window


def lazy_members(
    room: RoomView, window: Window, events: Sequence[StoredEvent], *, with_heroes: bool
) -> tuple[UserId, ...]:
    """The users whose member events must go along with a timeline: the senders whom the reader
    has not been told of, with ``with_heroes`` those whom the room is called by, and from scratch
    the reader."""
    if not window.options.lazy:
        return ()
    # Who begins with a member event is introduced by that, where timelines change the state.
    introduced: set[str] = set()
    wanted: dict[UserId, None] = {}
    for stored in events:
        event = stored.event
        if event.type == MEMBER and not window.options.use_state_after:
            introduced.add(event.state_key or "")
        if event.sender not in introduced:
            wanted[event.sender] = None
    user_id = window.session.user_id
    if with_heroes and needs_heroes(room):
        wanted.update(dict.fromkeys(h for h in heroes(room, user_id) if h not in introduced))
    if window.since is None:
        wanted[user_id] = None
    known = window.knows(room.nid)
    return tuple(user for user in wanted if user not in known)


def member_in_memory(
    room: RoomView, events: EventCache, user_id: UserId, at: int | None
) -> tuple[StoredEvent | None, bool]:
    """The member event of a user at a position (None: now), and whether memory could tell."""
    member = room.members.get(user_id)
    if member is None:
        return None, True
    stored = events.get(member.nid)
    while stored is not None and at is not None and stored.position > at:
        if stored.replaces_nid is None:
            return None, True
        stored = room.previous.get(stored.nid)
    return stored, stored is not None


async def members_at(
    room: RoomView, store: RoomStore, events: EventCache, users: Iterable[UserId], position: int
) -> list[StoredEvent]:
    """The member events of some users at a position."""
    nids = []
    changed_since = []
    for user_id in users:
        member = room.members.get(user_id)
        if member is None:
            continue
        if position_of_nid(member.nid) <= position:
            nids.append(member.nid)
        else:
            changed_since.append((MEMBER, str(user_id)))
    if changed_since:
        spans = await store.state_history(room.nid, changed_since)
        nids += [s.event_nid for s in spans if s.from_position <= position < s.to_position]
    return list((await events.fetch(nids)).values())
