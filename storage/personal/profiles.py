"""Profiles, and changes of them that rooms must yet be told."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from homeserver.domain.identifiers import UserId
from homeserver.ports.database import Row, Transaction, Transactions
from homeserver.ports.personal.profile_store import ProfileUpdate, ShownProfile
from homeserver.ports.personal.profiles import Profile

_UPDATE = "SELECT user_id, revision, former_display_names, former_avatar_urls FROM profile_updates"


class SqlProfileStore:
    """See :class:`homeserver.ports.personal.profile_store.ProfileStore`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def fields(self, user_ids: Sequence[UserId]) -> dict[UserId, bytes]:
        return await self._transactions.read(_fields, list(user_ids))

    async def set_fields(
        self, user_id: UserId, fields: bytes, former: Profile, current: Profile
    ) -> ProfileUpdate | None:
        return await self._transactions.write(_set_fields, user_id, fields, former, current)

    async def erase(self, user_id: UserId) -> None:
        await self._transactions.write(_erase, user_id)

    async def updates(self) -> list[ProfileUpdate]:
        return await self._transactions.read(_updates)

    async def finish(self, update: ProfileUpdate) -> None:
        await self._transactions.write(_finish, update)

    async def shown_in_rooms(self, user_id: UserId) -> list[ShownProfile]:
        return await self._transactions.read(_shown_in_rooms, user_id)


def _fields(tx: Transaction, user_ids: list[UserId]) -> dict[UserId, bytes]:
    rows = tx.all("SELECT user_id, fields FROM profiles WHERE user_id = ANY(?)", (user_ids,))
    return {UserId(user_id): fields for user_id, fields in rows}


def _set_fields(
    tx: Transaction, user_id: UserId, fields: bytes, former: Profile, current: Profile
) -> ProfileUpdate | None:
    tx.execute(
        """INSERT INTO profiles (user_id, fields) VALUES (?, ?)
        ON CONFLICT (user_id) DO UPDATE SET fields = excluded.fields""",
        (user_id, fields),
    )
    if former == current:
        return None
    row = tx.one(f"{_UPDATE} WHERE user_id = ?", (user_id,))
    under_way = _update(row) if row else ProfileUpdate(user_id, 0, frozenset(), frozenset())
    update = _joined(under_way, former, current)
    tx.execute(
        """INSERT INTO profile_updates (user_id, revision, former_display_names,
            former_avatar_urls) VALUES (?, ?, ?, ?)
        ON CONFLICT (user_id) DO UPDATE SET revision = excluded.revision,
            former_display_names = excluded.former_display_names,
            former_avatar_urls = excluded.former_avatar_urls""",
        (
            user_id,
            update.revision,
            _encode(update.former_display_names),
            _encode(update.former_avatar_urls),
        ),
    )
    return update


def _joined(update: ProfileUpdate, former: Profile, current: Profile) -> ProfileUpdate:
    names, avatars = update.former_display_names, update.former_avatar_urls
    if former.displayname != current.displayname:
        names |= {former.displayname}
    if former.avatar_url != current.avatar_url:
        avatars |= {former.avatar_url}
    return ProfileUpdate(update.user_id, update.revision + 1, names, avatars)


def _erase(tx: Transaction, user_id: UserId) -> None:
    tx.execute("DELETE FROM profiles WHERE user_id = ?", (user_id,))
    tx.execute("DELETE FROM profile_updates WHERE user_id = ?", (user_id,))


def _updates(tx: Transaction) -> list[ProfileUpdate]:
    return list(map(_update, tx.all(f"{_UPDATE} ORDER BY user_id")))


def _finish(tx: Transaction, update: ProfileUpdate) -> None:
    tx.execute(
        "DELETE FROM profile_updates WHERE user_id = ? AND revision = ?",
        (update.user_id, update.revision),
    )


def _shown_in_rooms(tx: Transaction, user_id: UserId) -> list[ShownProfile]:
    rows = tx.all(
        """SELECT room_nid, display_name, avatar_url FROM memberships
        WHERE user_id = ? AND membership = 'join' ORDER BY room_nid""",
        (user_id,),
    )
    return [ShownProfile(*row) for row in rows]


def _update(row: Row) -> ProfileUpdate:
    user_id, revision, names, avatars = row
    return ProfileUpdate(UserId(user_id), revision, _decode(names), _decode(avatars))


def _encode(values: frozenset[str | None]) -> bytes:
    return msgspec.json.encode(sorted(values, key=lambda value: value or ""))


def _decode(values: bytes) -> frozenset[str | None]:
    return msgspec.json.decode(values, type=frozenset[str | None])
