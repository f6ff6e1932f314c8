"""What an event may relate to, as far as servers are to refuse the rest.

Client-server API, "Avoiding duplicate annotations" and "Validation of `m.thread` relationships".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from homeserver.domain.errors import DuplicateAnnotation, Unknown
from homeserver.domain.identifiers import EventId, UserId
from homeserver.domain.relations import (
    ANNOTATION,
    THREAD,
    Relation,
    can_be_thread_root,
    relation_of,
)
from homeserver.ports.rooms.events import StoredEvent
from homeserver.ports.rooms.relations import RelationStore
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.event_cache import EventCache

_Annotation = tuple[EventId, UserId, str, str]
"""The annotated event, by whom, the type and the key."""


class RelationRules:
    """Checks the relations of events that are about to be sent."""

    def __init__(self, relations: RelationStore, events: EventCache) -> None:
        self._relations = relations
        self._events = events
        self._under_way: set[_Annotation] = set()

    @asynccontextmanager
    async def checked(self, actor: RoomActor, new: NewEvent) -> AsyncIterator[None]:
        """Send an event within this context, once its relation was checked.

        Raises DuplicateAnnotation for a second annotation that is the same, also when the first is
        being sent, and Unknown for a thread that cannot start where it wants to.
        """
        relation = relation_of(new.content)
        if relation is None or relation.target_event_id is None or _is_unstorable(new, relation):
            yield
        elif relation.rel_type == ANNOTATION and relation.key is not None:
            annotation = (relation.target_event_id, new.sender, new.type, relation.key)
            await self._require_new(annotation)
            self._under_way.add(annotation)
            try:
                yield
            finally:
                self._under_way.discard(annotation)
        else:
            if relation.rel_type == THREAD:
                await self._require_thread_root(actor, relation)
            yield

    async def _require_new(self, annotation: _Annotation) -> None:
        if annotation in self._under_way or await self._relations.has_annotation(*annotation):
            raise DuplicateAnnotation()
        if annotation in self._under_way:
            raise DuplicateAnnotation()

    async def _require_thread_root(self, actor: RoomActor, relation: Relation) -> None:
        """A thread exists or can start; an event this server does not have is given the benefit of
        the doubt."""
        root = relation.target_event_id
        assert root is not None
        stored = _in_tail(actor, root) or (await self._events.fetch_ids([root])).get(root)
        if stored is None or stored.room_nid != actor.view.nid:
            return
        if not can_be_thread_root(stored.event.content):
            raise Unknown("A thread cannot start at an event that relates to another event")


def _is_unstorable(new: NewEvent, relation: Relation) -> bool:
    """Whether the event will be refused anyway, for what databases cannot look for."""
    texts = (new.type, relation.rel_type, relation.target_event_id, relation.key)
    return any(text is not None and "\0" in text for text in texts)


def _in_tail(actor: RoomActor, event_id: EventId) -> StoredEvent | None:
    return next((e for e in actor.view.tail if e.event.event_id == event_id), None)
