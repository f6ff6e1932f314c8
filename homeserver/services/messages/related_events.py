"""Events that relate to an event, and the threads of a room.

Client-server API, "Relationships API", "Threading".
"""

from __future__ import annotations

from typing import Literal

import attrs

from homeserver.domain.identifiers import EventId
from homeserver.log.tokens import TimelineToken
from homeserver.ports.clock import Clock
from homeserver.ports.rooms.relations import RelationStore
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.presentation import Presenter, Reader
from homeserver.rooms.view import RoomView
from homeserver.rooms.visible_events import Visibility

# How many relations deep ``recurse=true`` follows; the specification recommends at least 3.
RECURSION_DEPTH = 3


@attrs.frozen(slots=True)
class RelatedPage:
    """Some related events, and where the next and the previous page begin."""

    events: list[bytes]
    next: TimelineToken | None
    previous: TimelineToken | None


class RelatedEvents:
    """Reads relations on behalf of users."""

    def __init__(
        self,
        relations: RelationStore,
        directory: RoomDirectory,
        presenter: Presenter,
        visibility: Visibility,
        clock: Clock,
    ) -> None:
        self._relations = relations
        self._events = directory.events
        self._presenter = presenter
        self._visibility = visibility
        self._clock = clock

    async def related(
        self,
        view: RoomView,
        reader: Reader,
        target: EventId,
        *,
        rel_type: str | None,
        event_type: str | None,
        start: TimelineToken | None,
        stop: TimelineToken | None,
        backwards: bool,
        limit: int,
        recurse: bool,
    ) -> RelatedPage:
        """Events that relate to ``target``, newest first when ``backwards``."""
        after, until = (stop, start) if backwards else (start, stop)
        found = await self._relations.related(
            view.nid,
            target,
            rel_type=rel_type,
            event_type=event_type,
            after=after.order if after else None,
            until=until.order if until else None,
            backwards=backwards,
            limit=limit + 1,
            recurse_depth=RECURSION_DEPTH if recurse else 1,
        )
        more = len(found) > limit
        nids = [nid for nid, _ in found[:limit]]
        by_nid = await self._events.fetch(nids)
        events = [by_nid[nid] for nid in nids if nid in by_nid]
        assert reader.user_id is not None
        seen, memberships = await self._visibility.visible(view, reader.user_id, events)
        presented = await self._presenter.present(
            seen, self._clock.now_ms(), reader, view.room_id, memberships, view
        )
        following = None
        if more and events:
            last = events[-1]
            following = TimelineToken(last.position, last.sub - 1 if backwards else last.sub)
        return RelatedPage(presented, following, start)

    async def threads(
        self,
        view: RoomView,
        reader: Reader,
        *,
        include: Literal["all", "participated"],
        before: int | None,
        limit: int,
    ) -> tuple[list[bytes], str | None]:
        """The roots of a room's threads, most recently active first, and the next page."""
        assert reader.user_id is not None
        found = await self._relations.threads(
            view.nid,
            participated_by=reader.user_id if include == "participated" else None,
            before=before,
            limit=limit + 1,
        )
        page = found[:limit]
        roots = await self._events.fetch_ids([root for root, _ in page])
        # A root that is named may be an event of another room.
        events = [
            roots[root] for root, _ in page if root in roots and roots[root].room_nid == view.nid
        ]
        seen, memberships = await self._visibility.visible(view, reader.user_id, events)
        presented = await self._presenter.present(
            seen, self._clock.now_ms(), reader, view.room_id, memberships, view
        )
        following = str(page[-1][1]) if len(found) > limit else None
        return presented, following
