"""Access tokens seen before, so that a request need not ask the database who makes it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

import attrs

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.domain.requester import Requester


@attrs.frozen(slots=True)
class _Entry:
    requester: Requester
    expires_ts: int | None


class TokenCache:
    """The requesters of the access tokens used last, at most ``capacity``, by the tokens' hashes.

    Whoever ends sessions drops them here once that is stored. ``generation`` changes with every
    drop: what was read from the database before may be outdated after.
    """

    def __init__(self, capacity: int = 50_000) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._of_user: dict[UserId, set[bytes]] = {}
        self.generation = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: bytes, now_ms: int) -> Requester | None:
        """The requester of a token that is known and has not expired."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if entry.expires_ts is not None and entry.expires_ts <= now_ms:
            self._remove(digest)
            return None
        self._entries.move_to_end(digest)
        return entry.requester

    def put(self, digest: bytes, requester: Requester, expires_ts: int | None) -> None:
        """Remember a token."""
        self._entries[digest] = _Entry(requester, expires_ts)
        self._of_user.setdefault(requester.user_id, set()).add(digest)
        if len(self._entries) > self._capacity:
            self._remove(next(iter(self._entries)))

    def drop(self, digests: Collection[bytes]) -> None:
        """Forget some tokens."""
        self.generation += 1
        for digest in digests:
            self._remove(digest)

    def drop_devices(self, user_id: UserId, device_ids: Collection[DeviceId | None]) -> None:
        """Forget the tokens of some of a user's devices; None stands for tokens without one."""
        self.drop(
            [
                digest
                for digest in self._of_user.get(user_id, ())
                if self._entries[digest].requester.device_id in device_ids
            ]
        )

    def drop_user(self, user_id: UserId, keep: DeviceId | None = None) -> None:
        """Forget all tokens of a user, but for those of one device."""
        self.drop(
            [
                digest
                for digest in self._of_user.get(user_id, ())
                if keep is None or self._entries[digest].requester.device_id != keep
            ]
        )

    def _remove(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        user_id = entry.requester.user_id
        digests = self._of_user[user_id]
        digests.discard(digest)
        if not digests:
            del self._of_user[user_id]
