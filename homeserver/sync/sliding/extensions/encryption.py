"""The extension ``e2ee``: whose devices changed, and how many keys are left. MSC3884."""

from __future__ import annotations

from typing import Final

from homeserver.domain.identifiers import DeviceId
from homeserver.log.tokens import SyncToken
from homeserver.sync.device_updates import DeviceUpdates
from homeserver.sync.session import Session
from homeserver.sync.sliding.requests import ExtensionConfig
from homeserver.sync.sliding.rounds import SlidingRound


class EncryptionExtension:
    """Tells what end-to-end encryption needs."""

    name: Final = "e2ee"

    def __init__(self, devices: DeviceUpdates) -> None:
        self._devices = devices

    def has_news(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> bool:
        """Whether devices or keys may have changed."""
        if self._devices.lists(session).has_news(since):
            return True
        if device_id is None:
            return False
        return self._devices.counts(session, device_id).has_news(since.positions[session.shard])

    async def part(self, now: SlidingRound, config: ExtensionConfig) -> bytes | None:
        """``device_lists`` and the counts; None when neither changed.

        The counts are told with everything else, too: there are clients which take their absence
        for having no keys left.
        """
        lists = await self._devices.device_lists(now.session, now.since, now.until)
        parts = [] if lists is None else [b'"device_lists":' + lists]
        is_news = now.since is None or lists is not None
        if now.device_id is not None:
            counts = self._devices.counts(now.session, now.device_id)
            parts += await counts.members()
            # Only now, as it is taken for news that they were not known.
            is_news = is_news or (
                now.since is not None and counts.has_news(now.since.positions[now.session.shard])
            )
        return b"{%s}" % b",".join(parts) if is_news and parts else None

    def standing(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        until: SyncToken,
    ) -> bytes | None:
        """The counts."""
        counts = self._devices.standing(session, device_id)
        return b"{%s}" % b",".join(counts) if counts else None

    def acknowledge(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> None:
        """Nothing is kept."""
