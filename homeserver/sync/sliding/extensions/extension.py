"""Extensions: what a sliding sync tells besides rooms. MSC4186, "Extensions"."""

from __future__ import annotations

from typing import Protocol

from homeserver.domain.identifiers import DeviceId
from homeserver.log.tokens import SyncToken
from homeserver.sync.session import Session
from homeserver.sync.sliding.requests import ExtensionConfig
from homeserver.sync.sliding.rounds import SlidingRound


class Extension(Protocol):
    """One member of the object ``extensions``; used for requests that enable it."""

    @property
    def name(self) -> str:
        """Its key in requests and answers."""
        ...

    def has_news(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> bool:
        """Whether something may have come after a token, so that a waiting sync should look. No
        I/O."""
        ...

    async def part(self, now: SlidingRound, config: ExtensionConfig) -> bytes | None:
        """The JSON of its member; None when there is nothing new to tell."""
        ...

    def standing(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        until: SyncToken,
    ) -> bytes | None:
        """The JSON of its member in an answer to which it had no `part`, also in one that tells
        nothing at all: what clients take to be there always. No I/O."""
        ...

    def acknowledge(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> None:
        """The client came back with a token: it has received the answer that ended there."""
        ...
