"""Passwords: which are good enough, and their hashes.

Hashing is meant to be slow, so it runs on other threads, and only so many may wait for it.
"""

from __future__ import annotations

import attrs
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from homeserver.domain.errors import InvalidParam, Overloaded, WeakPassword
from homeserver.ports.threads import RunInThread

MAX_LENGTH = 512
"""The longest password, in characters."""

_RETRY_MS = 1000


@attrs.frozen(slots=True)
class PasswordSettings:
    """The least length of a password, in characters, and what its argon2id hash costs.

    ``max_waiting`` is how many passwords may wait to be hashed before more are turned away.
    """

    min_length: int = 8
    time_cost: int = 2
    memory_kib: int = 19_456
    parallelism: int = 1
    max_waiting: int = 100


class Passwords:
    """Hashes passwords and checks them against their hashes."""

    def __init__(self, run_in_thread: RunInThread, settings: PasswordSettings) -> None:
        self._run_in_thread = run_in_thread
        self._settings = settings
        self._hasher = PasswordHasher(
            time_cost=settings.time_cost,
            memory_cost=settings.memory_kib,
            parallelism=settings.parallelism,
        )
        self._waiting = 0

    def check_policy(self, password: str) -> None:
        """Raises WeakPassword for one that is too short, InvalidParam for one that is too long."""
        if len(password) < self._settings.min_length:
            raise WeakPassword(f"The password needs {self._settings.min_length} characters or more")
        if len(password) > MAX_LENGTH:
            raise InvalidParam(f"The password has more than {MAX_LENGTH} characters")

    async def hash(self, password: str) -> str:
        """The hash to store. Raises Overloaded."""
        self._admit()
        try:
            return await self._run_in_thread(self._hasher.hash, password)
        finally:
            self._waiting -= 1

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether a password belongs to a hash; without a hash it does not.

        Either takes the same time, so that nobody learns who has an account. Raises Overloaded.
        """
        if password_hash is None:
            await self.hash(password)
            return False
        self._admit()
        try:
            return await self._run_in_thread(self._verify, password_hash, password)
        finally:
            self._waiting -= 1

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether a hash was made at another cost than new ones are."""
        return self._hasher.check_needs_rehash(password_hash)

    def _admit(self) -> None:
        if self._waiting >= self._settings.max_waiting:
            raise Overloaded(_RETRY_MS)
        self._waiting += 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
