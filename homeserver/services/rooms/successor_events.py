"""The events by which one room takes the place of another. Client-server API, "Room Upgrades"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomAlias, RoomId, UserId
from homeserver.domain.membership import Membership
from homeserver.domain.power_levels import POWER_LEVELS_KEY
from homeserver.domain.room_creators import privileged_creators, room_creator
from homeserver.domain.room_presets import ADMIN_LEVEL
from homeserver.domain.room_succession import (
    TOMBSTONE_BODY,
    TRANSFERRED_TYPES,
    highest_level,
    locked_power_levels,
    successor_content,
    successor_power_levels,
    with_user_level,
)
from homeserver.domain.room_summary import SPACE
from homeserver.domain.room_versions import RoomVersion
from homeserver.domain.space_children import is_child
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.view import CREATE, MEMBER
from homeserver.services.rooms.aliases import CANONICAL_ALIAS, without_aliases

TOMBSTONE = "m.room.tombstone"
_POWER_LEVELS = POWER_LEVELS_KEY[0]
_SPACE_CHILD = "m.space.child"


@attrs.frozen(slots=True)
class SuccessorEvents:
    """The events that end an old room and begin its successor, all sent by ``sender``.

    ``aliases`` are those that move to the successor.
    """

    old: RoomActor
    sender: UserId
    version: RoomVersion
    additional_creators: Sequence[UserId]
    aliases: Sequence[RoomAlias]

    def creation(self) -> NewEvent:
        """The event that makes the successor."""
        view = self.old.view
        content = successor_content(
            view.create.event.content,
            self.version,
            view.room_id,
            view.tail[-1].event.event_id,
            [user for user in self.additional_creators if user != self.sender],
        )
        content["room_version"] = self.version.identifier
        if self.version.creator_in_create_content:
            content["creator"] = self.sender
        return self._state("m.room.create", content)

    def following(self) -> list[NewEvent]:
        """The events of the successor after that one.

        The sender has all power until the state is as it was: what sets it may need more than they
        have in the end.
        """
        levels = self._power_levels()
        highest = highest_level(levels)
        at_first = levels
        if not self.version.privileged_creators:
            at_first = with_user_level(levels, self.sender, highest)
        events = [
            self._state(MEMBER, self._member_content(), self.sender),
            self._state(_POWER_LEVELS, at_first),
            *self._transferred(),
            *self._bans(levels, highest),
        ]
        if levels != at_first:
            events.append(self._state(_POWER_LEVELS, levels))
        return events

    def tombstone(self, successor: RoomId) -> NewEvent:
        """The event that ends the old room."""
        content: JsonObject = {"body": TOMBSTONE_BODY, "replacement_room": successor}
        return self._state(TOMBSTONE, content)

    def farewells(self) -> Iterator[NewEvent]:
        """What is to be changed in the old room besides, if the sender may."""
        alias = self.old.head_event((CANONICAL_ALIAS, ""))
        if alias is not None:
            content = without_aliases(alias.event.content, self.aliases)
            if content != alias.event.content:
                yield self._state(CANONICAL_ALIAS, content)
        locked = locked_power_levels(self._old_levels(), self.old.view.version)
        yield self._state(_POWER_LEVELS, locked)

    def _old_levels(self) -> JsonObject:
        event = self.old.head_event(POWER_LEVELS_KEY)
        if event is not None:
            return event.event.content
        create_event = self.old.view.create.event
        if self.old.view.version.privileged_creators:
            return {}
        return {"users": {room_creator(create_event): ADMIN_LEVEL}}

    def _power_levels(self) -> JsonObject:
        view = self.old.view
        return successor_power_levels(
            self._old_levels(),
            view.version,
            self.version,
            creators=self._creators(),
            old_creators=privileged_creators(view.create.event),
        )

    def _creators(self) -> set[UserId]:
        return {self.sender, *self.additional_creators}

    def _member_content(self) -> JsonObject:
        """As in the old room, where the sender may have a name of its own."""
        content: JsonObject = {"membership": Membership.JOIN.value}
        member = self.old.head_event((MEMBER, self.sender))
        if member is not None:
            theirs = member.event.content
            content |= {k: theirs[k] for k in ("displayname", "avatar_url") if k in theirs}
        return content

    def _transferred(self) -> Iterator[NewEvent]:
        for type in TRANSFERRED_TYPES:
            event = self.old.head_event((type, ""))
            if event is not None:
                yield self._state(type, event.event.content)
        if self.old.view.content(CREATE[0]).get("type") == SPACE:
            for key in list(self.old.head_keys()):
                child = self.old.head_event(key) if key[0] == _SPACE_CHILD else None
                if child is not None and is_child(child.event.content):
                    yield self._state(_SPACE_CHILD, child.event.content, key[1])
        if self.aliases:
            yield from self._canonical_alias()

    def _canonical_alias(self) -> Iterator[NewEvent]:
        event = self.old.head_event((CANONICAL_ALIAS, ""))
        if event is None:
            return
        content = event.event.content
        alias, alternatives = content.get("alias"), content.get("alt_aliases")
        kept: JsonObject = {"alias": alias} if alias in self.aliases else {}
        if isinstance(alternatives, list):
            moved = [alternative for alternative in alternatives if alternative in self.aliases]
            kept |= {"alt_aliases": moved} if moved else {}
        if kept:
            yield self._state(CANONICAL_ALIAS, kept)

    def _bans(self, levels: JsonObject, highest: int) -> Iterator[NewEvent]:
        users = levels.get("users", {})
        creators = self._creators()
        for user_id, member in self.old.view.members.items():
            if member.membership != Membership.BAN or user_id in creators:
                continue
            if self.version.privileged_creators or users.get(user_id, 0) < highest:
                yield self._state(MEMBER, {"membership": Membership.BAN.value}, user_id)

    def _state(self, type: str, content: JsonObject, state_key: str = "") -> NewEvent:
        return NewEvent(type=type, sender=self.sender, content=content, state_key=state_key)
