"""What the rooms ask about the people in them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import attrs

from homeserver.domain.identifiers import UserId


@attrs.frozen(slots=True)
class Profile:
    """The name and picture that a user shows everywhere."""

    displayname: str | None = None
    avatar_url: str | None = None


class Profiles(Protocol):
    """The profiles of users. Who is not known has an empty one."""

    async def of(self, user_id: UserId) -> Profile:
        """The profile of a user."""
        ...

    async def of_all(self, user_ids: Collection[UserId]) -> dict[UserId, Profile]:
        """The profiles of many users, every one of them, in a fixed number of queries."""
        ...
