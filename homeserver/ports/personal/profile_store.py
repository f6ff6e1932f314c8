"""What the floors above ask of storage about profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from homeserver.domain.identifiers import UserId
from homeserver.ports.personal.profiles import Profile


@attrs.frozen(slots=True)
class ProfileUpdate:
    """A change of a user's name or picture that may not have reached all their rooms.

    The former values are those that the profile had while rooms were, or still are, behind. Where
    a room shows none of them, its member event was set for that room alone. ``revision`` tells an
    update from the one it became when the user made another change.
    """

    user_id: UserId
    revision: int
    former_display_names: frozenset[str | None]
    former_avatar_urls: frozenset[str | None]


@attrs.frozen(slots=True)
class ShownProfile:
    """What a room shows of a joined user."""

    room_nid: int
    display_name: str | None
    avatar_url: str | None


class ProfileStore(Protocol):
    """Profiles of the users of this server, and changes of them that rooms must yet be told."""

    async def fields(self, user_ids: Sequence[UserId]) -> dict[UserId, bytes]:
        """The fields, a JSON object, of those users who have set any."""
        ...

    async def set_fields(
        self, user_id: UserId, fields: bytes, former: Profile, current: Profile
    ) -> ProfileUpdate | None:
        """Store the fields of a profile.

        When what rooms show of it changes, from ``former`` to ``current``, the update of the rooms
        is stored with it, joined to one that is still under way, and returned.
        """
        ...

    async def erase(self, user_id: UserId) -> None:
        """Forget a profile, and any update of rooms."""
        ...

    async def updates(self) -> list[ProfileUpdate]:
        """The updates that have not been finished."""
        ...

    async def finish(self, update: ProfileUpdate) -> None:
        """An update has reached every room, unless it has been joined by another one."""
        ...

    async def shown_in_rooms(self, user_id: UserId) -> list[ShownProfile]:
        """What the rooms that a user is in show of them."""
        ...
