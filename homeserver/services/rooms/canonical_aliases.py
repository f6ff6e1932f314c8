"""Which aliases a room may call its own. Client-server API, `m.room.canonical_alias`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadAlias, InvalidParam
from homeserver.domain.identifiers import RoomAlias, parse_room_alias
from homeserver.rooms.actor import RoomActor
from homeserver.services.rooms.aliases import CANONICAL_ALIAS, Aliases


class CanonicalAliases:
    """Checks the aliases that are being added to a room's state."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    async def check(self, actor: RoomActor, content: JsonObject) -> None:
        """Check the content of a new `m.room.canonical_alias` event.

        Aliases that the current one has are not looked at. Raises InvalidParam for one that is
        malformed, BadAlias for one that does not point to the room.
        """
        current = actor.head_event((CANONICAL_ALIAS, ""))
        known = set(_listed(current.event.content)) if current is not None else set()
        added = [alias for alias in stated_aliases(content) if alias not in known]
        rooms = await self._aliases.resolve_all(added)
        for alias in added:
            if rooms.get(alias) != actor.view.room_id:
                raise BadAlias(f"The alias {alias!r} does not point to this room")


def stated_aliases(content: JsonObject) -> list[RoomAlias]:
    """The aliases in the content of `m.room.canonical_alias`. Raises InvalidParam."""
    alternatives: Any = content.get("alt_aliases")
    if not isinstance(alternatives, list | None):
        raise InvalidParam("alt_aliases must be a list of room aliases")
    stated = [*([content["alias"]] if content.get("alias") else []), *(alternatives or [])]
    aliases = []
    for alias in stated:
        if not isinstance(alias, str):
            raise InvalidParam("A room alias must be a string")
        aliases.append(parse_room_alias(alias))
    return list(dict.fromkeys(aliases))


def _listed(content: JsonObject) -> Iterator[str]:
    """What an event lists that may be of any form."""
    alternatives = content.get("alt_aliases")
    for alias in [content.get("alias"), *(alternatives if isinstance(alternatives, list) else [])]:
        if isinstance(alias, str):
            yield alias
