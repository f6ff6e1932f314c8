"""Rooms for tests, built of real signed events along one or several branches.

    branch = a_room("11")                    # Alice is in, the room is public
    branch.join(BOB)
    other = branch.fork()
    branch.ban(ALICE, BOB)
    topic = other.set_topic(BOB, "hello")

`Branch.send` and its shorthands add whatever event they are told to, allowed or not; `Branch.draft`
makes the event without adding it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from homeserver.domain.auth_events import auth_event_keys
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.events import (
    Event,
    EventDraft,
    StateKey,
    build_event,
    reference_of,
)
from homeserver.domain.identifiers import EventId, RoomId, UserId, server_name_of
from homeserver.domain.room_versions import (
    DEFAULT_ROOM_VERSION,
    EventFormat,
    RoomVersion,
    room_version,
)
from tests.homeserver.domain.pdus import KEY

ALICE: Final = UserId("@alice:a.example")
BOB: Final = UserId("@bob:b.example")
CAROL: Final = UserId("@carol:c.example")
DAVE: Final = UserId("@dave:d.example")

START: Final = 1_700_000_000_000


class Room:
    """A room with its create event, and every event that was made for it since."""

    def __init__(
        self, version: str = DEFAULT_ROOM_VERSION, creator: UserId = ALICE, /, **content: Any
    ) -> None:
        self.version: RoomVersion = room_version(version)
        self.events: dict[EventId, Event] = {}
        self._room_id: RoomId | None = None
        if not self.version.room_id_is_create_hash:
            self._room_id = RoomId(f"!room:{server_name_of(creator)}")
        if self.version.creator_in_create_content:
            content = {"creator": creator, **content}
        self.create = self.make(
            "m.room.create", creator, {"room_version": version, **content}, state_key=""
        )
        self._room_id = self.create.room_id

    def start(self) -> Branch:
        """The branch on which there is nothing yet but the create event."""
        return Branch(self, [self.create], {("m.room.create", ""): self.create})

    def make(
        self,
        event_type: str,
        sender: UserId,
        content: JsonObject,
        *,
        state_key: str | None = None,
        prev_events: Sequence[Event] = (),
        auth_events: Iterable[Event] = (),
        redacts: EventId | None = None,
        ts: int | None = None,
    ) -> Event:
        """A new event, a second after the one made before it unless ``ts`` says otherwise."""
        number = len(self.events)
        event = build_event(
            EventDraft(
                room_id=self._room_id,
                type=event_type,
                sender=sender,
                state_key=state_key,
                content=content,
                origin_server_ts=START + 1000 * number if ts is None else ts,
                redacts=redacts,
            ),
            self.version,
            prev_events=[reference_of(event) for event in prev_events],
            auth_events=[reference_of(event) for event in auth_events],
            depth=max((event.depth for event in prev_events), default=0) + 1,
            server_name=server_name_of(sender),
            signing_key=KEY,
            event_id=self._event_id(number, sender),
        )
        self.events[event.event_id] = event
        return event

    def _event_id(self, number: int, sender: UserId) -> EventId | None:
        if self.version.event_format is not EventFormat.V1:
            return None
        return EventId(f"${number}:{server_name_of(sender)}")


class Branch:
    """A branch of a room's history: its last events and the state after them."""

    def __init__(self, room: Room, tips: list[Event], state: dict[StateKey, Event]) -> None:
        self.room = room
        self.tips = tips
        self.state = state

    def fork(self) -> Branch:
        """A second branch that goes on from here."""
        return Branch(self.room, list(self.tips), dict(self.state))

    @property
    def state_map(self) -> dict[StateKey, EventId]:
        return {key: event.event_id for key, event in self.state.items()}

    def draft(
        self,
        event_type: str,
        sender: UserId,
        content: JsonObject | None = None,
        state_key: str | None = None,
        *,
        redacts: EventId | None = None,
        ts: int | None = None,
    ) -> Event:
        """The next event of the branch, authorised by its state, but not added to it."""
        content = {} if content is None else content
        keys = auth_event_keys(self.room.version, event_type, state_key, sender, content)
        return self.room.make(
            event_type,
            sender,
            content,
            state_key=state_key,
            prev_events=self.tips,
            auth_events=[self.state[key] for key in keys if key in self.state],
            redacts=redacts,
            ts=ts,
        )

    def add(self, event: Event) -> Event:
        self.tips = [event]
        if event.is_state:
            self.state[event.state_map_key()] = event
        return event

    def send(
        self,
        event_type: str,
        sender: UserId,
        content: JsonObject | None = None,
        state_key: str | None = None,
        *,
        ts: int | None = None,
    ) -> Event:
        return self.add(self.draft(event_type, sender, content, state_key, ts=ts))

    def membership(
        self, sender: UserId, target: UserId, membership: str, *, ts: int | None = None
    ) -> Event:
        content = {"membership": membership}
        return self.send("m.room.member", sender, content, target, ts=ts)

    def join(self, user: UserId, *, ts: int | None = None) -> Event:
        return self.membership(user, user, "join", ts=ts)

    def invite(self, sender: UserId, target: UserId) -> Event:
        return self.membership(sender, target, "invite")

    def leave(self, user: UserId) -> Event:
        return self.membership(user, user, "leave")

    def kick(self, sender: UserId, target: UserId) -> Event:
        return self.membership(sender, target, "leave")

    def ban(self, sender: UserId, target: UserId, *, ts: int | None = None) -> Event:
        return self.membership(sender, target, "ban", ts=ts)

    def knock(self, user: UserId) -> Event:
        return self.membership(user, user, "knock")

    def set_join_rule(self, sender: UserId, join_rule: str) -> Event:
        return self.send("m.room.join_rules", sender, {"join_rule": join_rule}, "")

    def set_power_levels(
        self,
        sender: UserId,
        users: dict[UserId, int] | None = None,
        *,
        ts: int | None = None,
        **content: Any,
    ) -> Event:
        """Set the levels of ``users``, and others given as the properties of the content.

        The creator keeps 100 where that has to be said.
        """
        if not self.room.version.privileged_creators:
            users = {self.room.create.sender: 100, **(users or {})}
        content["users"] = users or {}
        return self.send("m.room.power_levels", sender, content, "", ts=ts)

    def set_topic(self, sender: UserId, topic: str, *, ts: int | None = None) -> Event:
        return self.send("m.room.topic", sender, {"topic": topic}, "", ts=ts)


def a_room(version: str = DEFAULT_ROOM_VERSION, join_rule: str = "public") -> Branch:
    """A room that Alice made and is in, with the power levels of a fresh room."""
    branch = Room(version).start()
    branch.join(ALICE)
    branch.set_power_levels(ALICE)
    branch.set_join_rule(ALICE, join_rule)
    return branch
