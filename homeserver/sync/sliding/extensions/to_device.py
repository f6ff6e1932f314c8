"""The extension ``to_device``: messages between devices. MSC3885.

It has tokens of its own, so that a message counts as received only when the client says so here,
whichever of its connections it syncs on.
"""

from __future__ import annotations

import re
from typing import Final

from homeserver.domain.errors import InvalidParam
from homeserver.domain.identifiers import DeviceId
from homeserver.log.tokens import POSITION_DIGITS, SyncToken
from homeserver.sync.device_updates import DeviceUpdates
from homeserver.sync.session import Session
from homeserver.sync.sliding.requests import ExtensionConfig
from homeserver.sync.sliding.rounds import SlidingRound
from homeserver.sync.to_device_mail import AT_ONCE

_TOKEN: Final = re.compile(rf"m([0-9]{{1,{POSITION_DIGITS}}})", re.ASCII)


class ToDeviceExtension:
    """Delivers messages until the client acknowledges them. A token is ``m`` and a position of the
    shard of the user."""

    name: Final = "to_device"

    def __init__(self, devices: DeviceUpdates) -> None:
        self._devices = devices

    def has_news(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> bool:
        """Whether a message may wait. Raises InvalidParam for a token that is not one."""
        position = _position(config.since)
        if device_id is None:
            return False
        return self._devices.mail(session, device_id).waits_after(position)

    async def part(self, now: SlidingRound, config: ExtensionConfig) -> bytes | None:
        """``next_batch`` and ``events``; None when no message waits."""
        position = _position(config.since)
        if now.device_id is None:
            return None
        mail = self._devices.mail(now.session, now.device_id)
        limit = AT_ONCE if config.limit is None else max(1, min(config.limit, AT_ONCE))
        until = now.until.positions[now.session.shard]
        events, position = await mail.next_after(position, until, limit)
        if config.since is not None:
            # Not known before the messages were read: what an earlier process left behind.
            self._acknowledge(now.session, now.device_id, config.since)
        if not events:
            return None
        return b'{"next_batch":"m%d","events":[%s]}' % (position, b",".join(events))

    def standing(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        until: SyncToken,
    ) -> bytes | None:
        """``next_batch``, which clients take to be there."""
        if device_id is None:
            return None
        position = max(_position(config.since), until.positions[session.shard])
        return b'{"next_batch":"m%d"}' % position

    def acknowledge(
        self,
        session: Session,
        device_id: DeviceId | None,
        config: ExtensionConfig,
        since: SyncToken,
    ) -> None:
        """What stands up to the token of the extension is deleted soon, and never told again."""
        if device_id is not None and config.since is not None:
            self._acknowledge(session, device_id, config.since)

    def _acknowledge(self, session: Session, device_id: DeviceId, token: str) -> None:
        mail = self._devices.mail(session, device_id)
        self._devices.delete(mail.acknowledge_up_to(_position(token)))


def _position(token: str | None) -> int:
    """The position of a token; 0, before everything, without one."""
    if token is None:
        return 0
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise InvalidParam("Unknown token of the to_device extension")
    return int(found[1])
