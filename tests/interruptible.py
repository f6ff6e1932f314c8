"""A database that goes away in the middle of things."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from homeserver.ports.database import DatabaseDown, Transaction
from tests.rooms_fixture import Engine

T = TypeVar("T")


class Interruptible:
    """A database that can go away and come back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.is_down = False

    def read(self, work: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        return self._engine.read(work, *args, **kwargs)

    def write_once(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        def interrupted(tx: Transaction) -> T:
            result = work(tx)
            if self.is_down:
                raise DatabaseDown("gone before the commit")
            return result

        return self._engine.write_once(interrupted)
