"""Values that are good for some time, and never more than so many of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from homeserver.ports.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """A cache whose entries have lifetimes of their own; the oldest make room for new ones."""

    def __init__(self, clock: Clock, max_entries: int) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: dict[K, tuple[float, V]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, or None when there is none that is still good."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        if expires <= self._clock.monotonic():
            del self._entries[key]
            return None
        return value

    def replace(self, key: K, value: V) -> None:
        """Another value for a key that is there, for as long as the former was good."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries[key] = (entry[0], value)

    def put(self, key: K, value: V, seconds: float) -> None:
        """Keep a value for some time."""
        self._entries.pop(key, None)
        while len(self._entries) >= self._max_entries:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._clock.monotonic() + seconds, value)
