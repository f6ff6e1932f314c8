"""What new rooms begin with: what is asked for, and the events that come of it.

Client-server API, "Creation": the order of the events is that of the specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadAlias, InvalidParam
from homeserver.domain.identifiers import (
    RoomAlias,
    RoomId,
    UserId,
    parse_user_id,
    server_name_of,
)
from homeserver.domain.membership import Membership
from homeserver.domain.room_presets import (
    Preset,
    initial_power_levels,
    preset_state,
    topic_content,
)
from homeserver.domain.room_versions import RoomVersion
from homeserver.ports.personal.profiles import Profile
from homeserver.rooms.actor import NewEvent
from homeserver.rooms.view import MEMBER
from homeserver.services.rooms.aliases import CANONICAL_ALIAS
from homeserver.services.rooms.canonical_aliases import stated_aliases
from homeserver.services.rooms.membership import member_content


@attrs.frozen(slots=True)
class InitialState:
    """A state event that a room is to begin with."""

    type: str
    state_key: str
    content: JsonObject


@attrs.frozen(slots=True, kw_only=True)
class NewRoomRequest:
    """What a user wants a new room to be like; see the parameters of the specification.

    ``preset`` None takes the one that goes with ``public``. ``power_levels`` replaces properties
    of the usual ones. ``invites_third_parties`` says that somebody was to be invited by an address.
    """

    public: bool = False
    preset: Preset | None = None
    alias_localpart: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: Sequence[UserId] = ()
    invites_third_parties: bool = False
    room_version: str | None = None
    creation_content: JsonObject = attrs.Factory(dict)
    initial_state: Sequence[InitialState] = ()
    is_direct: bool = False
    power_levels: JsonObject = attrs.Factory(dict)

    @property
    def effective_preset(self) -> Preset:
        """The preset that was asked for, or follows from the visibility."""
        if self.preset is not None:
            return self.preset
        return Preset.PUBLIC_CHAT if self.public else Preset.PRIVATE_CHAT


@attrs.frozen(slots=True)
class FirstEvents:
    """The events that make a room of a request.

    ``profiles`` holds those of the creator and of everybody who is invited.
    """

    creator: UserId
    version: RoomVersion
    request: NewRoomRequest
    profiles: Mapping[UserId, Profile]
    alias: RoomAlias | None

    def check(self) -> None:
        """Check what the authorisation rules do not. Raises InvalidParam, and BadAlias for aliases
        that cannot point to a room that is yet to be."""
        _user_ids(self.request.creation_content.get("additional_creators"))
        for state in self.request.initial_state:
            if state.type == CANONICAL_ALIAS and not state.state_key:
                for alias in stated_aliases(state.content):
                    if alias != self.alias:
                        raise BadAlias(f"The alias {alias!r} does not point to this room")

    def creation(self) -> NewEvent:
        """The event that makes the room."""
        content = {**self.request.creation_content, "room_version": self.version.identifier}
        content.pop("creator", None)
        if self.version.creator_in_create_content:
            content["creator"] = self.creator
        if self.version.privileged_creators:
            creators = [*_user_ids(content.pop("additional_creators", None)), *self._equals()]
            additional = [user for user in dict.fromkeys(creators) if user != self.creator]
            if additional:
                content["additional_creators"] = additional
        return self._state("m.room.create", content)

    def following(self, room_id: RoomId) -> list[NewEvent]:
        """The events after that one."""
        joined = member_content(Membership.JOIN, self.profiles.get(self.creator))
        levels = initial_power_levels(
            self.version,
            self.creator,
            equals=self._equals(),
            room_type=self.request.creation_content.get("type"),
            override=self.request.power_levels,
        )
        return [
            self._state(MEMBER, joined, self.creator),
            self._state("m.room.power_levels", levels),
            *self._described(),
            *self._invites(),
        ]

    def _described(self) -> Iterator[NewEvent]:
        request = self.request
        if self.alias is not None:
            yield self._state(CANONICAL_ALIAS, {"alias": self.alias})
        initial = {(state.type, state.state_key): state.content for state in request.initial_state}
        for type, content in preset_state(request.effective_preset).items():
            if (type, "") not in initial:
                yield self._state(type, content)
        last = {}
        if request.name:
            last["m.room.name"] = {"name": request.name}
        if request.topic:
            last["m.room.topic"] = topic_content(request.topic)
        for (type, state_key), content in initial.items():
            if state_key or type not in last:
                yield self._state(type, content, state_key)
        for type, content in last.items():
            yield self._state(type, content)

    def remote_invites(self) -> list[UserId]:
        """The users of other servers who are to be invited when the room is there."""
        return [user_id for user_id in self.request.invite if not self._is_local(user_id)]

    def _is_local(self, user_id: UserId) -> bool:
        return server_name_of(user_id) == server_name_of(self.creator)

    def _invites(self) -> Iterator[NewEvent]:
        for user_id in filter(self._is_local, self.request.invite):
            content = member_content(Membership.INVITE, self.profiles.get(user_id))
            if self.request.is_direct:
                content["is_direct"] = True
            yield self._state(MEMBER, content, user_id)

    def _equals(self) -> Sequence[UserId]:
        """Those who are to have as much power as the creator."""
        if self.request.effective_preset is Preset.TRUSTED_PRIVATE_CHAT:
            return self.request.invite
        return ()

    def _state(self, type: str, content: JsonObject, state_key: str = "") -> NewEvent:
        return NewEvent(type=type, sender=self.creator, content=content, state_key=state_key)


def _user_ids(value: Any) -> list[UserId]:
    """``additional_creators`` as user IDs. Raises InvalidParam."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(user, str) for user in value):
        raise InvalidParam("additional_creators must be a list of user IDs")
    return [parse_user_id(user) for user in value]
