"""What users say of themselves: a name, a picture and whatever else.

Client-server API, "Profiles". A change answers as soon as it is stored; the rooms are told in the
background (:mod:`homeserver.services.personal.profile_propagation`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import NotFound, UnableToRetrieve
from homeserver.domain.identifiers import UserId
from homeserver.domain.profile_fields import (
    AVATAR_URL,
    DISPLAY_NAME,
    MAX_DISPLAY_NAME_LENGTH,
    check_field_name,
    encode_profile,
    with_field,
    without_field,
)
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.ports.federation.remote_profiles import NoRemoteProfiles, RemoteProfiles
from homeserver.ports.personal.profile_store import ProfileStore
from homeserver.ports.personal.profiles import Profile
from homeserver.services.personal.presence import Presence
from homeserver.services.personal.profile_propagation import ProfilePropagation
from homeserver.services.turns import Turns

CAPACITY: Final = 10_000
"""How many profiles are kept in memory."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_NOTHING: Final[JsonObject] = {}


class Profiles:
    """Reads and changes profiles. See also :class:`homeserver.ports.personal.profiles.Profiles`."""

    def __init__(
        self,
        store: ProfileStore,
        accounts: AccountStore,
        propagation: ProfilePropagation,
        presence: Presence,
        capacity: int = CAPACITY,
        remote: RemoteProfiles | None = None,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._propagation = propagation
        self._presence = presence
        self._capacity = capacity
        self._remote = remote or NoRemoteProfiles()
        self._known: OrderedDict[UserId, JsonObject] = OrderedDict()
        self._changes = 0
        self._turns = Turns()

    # --- reading

    async def of(self, user_id: UserId) -> Profile:
        """The name and picture of a user."""
        known = self._known.get(user_id)
        return _profile(known if known is not None else (await self._read([user_id]))[user_id])

    async def of_all(self, user_ids: Collection[UserId]) -> dict[UserId, Profile]:
        """The names and pictures of many users, in one query."""
        return {user_id: _profile(f) for user_id, f in (await self._read(user_ids)).items()}

    async def fields(self, user_id: UserId) -> JsonObject:
        """All fields of a profile; not to be changed.

        Raises NotFound for an unknown user; for one of another server also Forbidden, and
        UnableToRetrieve when that server does not answer and no room shows the user.
        """
        if self._remote.concerns(user_id):
            return await self._remote_fields(user_id)
        fields = (await self._read([user_id]))[user_id]
        if not fields and await self._accounts.account(user_id) is None:
            raise NotFound("There is no such user")
        return fields

    async def field(self, user_id: UserId, name: str) -> Any:
        """One field of a profile. Raises NotFound."""
        fields = await self.fields(user_id)
        if name not in fields:
            raise NotFound("The profile has no such field")
        return fields[name]

    async def local_fields(self, user_id: UserId) -> JsonObject:
        """As ``fields``, for what other servers ask: only of users of this one."""
        if self._remote.concerns(user_id):
            raise NotFound("This user is not one of this server")
        return await self.fields(user_id)

    async def _remote_fields(self, user_id: UserId) -> JsonObject:
        try:
            return await self._remote.fields(user_id)
        except UnableToRetrieve:
            for shown in await self._store.shown_in_rooms(user_id):
                fields = {DISPLAY_NAME: shown.display_name, AVATAR_URL: shown.avatar_url}
                return {name: value for name, value in fields.items() if value is not None}
            raise

    async def _read(self, user_ids: Collection[UserId]) -> dict[UserId, JsonObject]:
        found = {user_id: self._known[user_id] for user_id in user_ids if user_id in self._known}
        missing = [user_id for user_id in user_ids if user_id not in found]
        if missing:
            changes = self._changes
            stored = await self._store.fields(missing)
            for user_id in missing:
                found[user_id] = _decode(stored[user_id]) if user_id in stored else _NOTHING
                if changes == self._changes:
                    self._keep(user_id, found[user_id])
        return found

    def _keep(self, user_id: UserId, fields: JsonObject) -> None:
        self._known[user_id] = fields
        self._known.move_to_end(user_id)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    # --- changing

    async def set_field(self, user_id: UserId, name: str, value: Any) -> None:
        """Set a field of a profile. Raises as `check_field_name` and `with_field`."""
        check_field_name(name)
        await self._change(user_id, lambda fields: with_field(fields, name, value))

    async def delete_field(self, user_id: UserId, name: str) -> None:
        """Delete a field of a profile, if it is there. Raises as `check_field_name`."""
        check_field_name(name)
        await self._change(user_id, lambda fields: without_field(fields, name))

    async def begin(self, user_id: UserId, display_name: str | None) -> None:
        """A user has registered, perhaps with a name."""
        if display_name:
            name = display_name.replace("\0", "")[:MAX_DISPLAY_NAME_LENGTH]
            await self._change(user_id, lambda fields: with_field(fields, DISPLAY_NAME, name))

    async def erase(self, user_id: UserId) -> None:
        """A user has closed their account: forget what they said of themselves."""
        async with self._turns.of(user_id):
            await self._store.erase(user_id)
            self._changes += 1
            self._known.pop(user_id, None)

    async def _change(self, user_id: UserId, change: Callable[[JsonObject], JsonObject]) -> None:
        async with self._turns.of(user_id):
            before = (await self._read([user_id]))[user_id]
            after = change(before)
            if after == before:
                return
            former, current = _profile(before), _profile(after)
            update = await self._store.set_fields(user_id, encode_profile(after), former, current)
            self._changes += 1
            self._keep(user_id, after)
        if update is not None:
            self._propagation.add(update)
            self._presence.note_profile(user_id, current)


def _profile(fields: JsonObject) -> Profile:
    return Profile(fields.get(DISPLAY_NAME), fields.get(AVATAR_URL))
