"""What a device learns of other devices, and how many of its own keys are left.

The log tells what came; each session that is followed notes it, so that a sync with nothing new
costs no query. What a session was not there to note is read from the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from weakref import WeakKeyDictionary, WeakValueDictionary

import attrs
import msgspec
import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.identifiers import DeviceId, UserId
from homeserver.log.entries import (
    DeviceListEntry,
    Entry,
    EventEntry,
    OneTimeKeysEntry,
    ToDeviceEntry,
    UserSignaturesEntry,
)
from homeserver.log.log import Log
from homeserver.log.tokens import SyncToken
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.encryption.key_counts import KeyCountStore
from homeserver.ports.encryption.to_device import Acknowledgement, DeviceAddress, ToDeviceStore
from homeserver.sync.device_list_watch import DeviceListWatch
from homeserver.sync.device_lists import DeviceLists, Move
from homeserver.sync.key_counts import KeyCounts
from homeserver.sync.session import Session
from homeserver.sync.to_device_mail import ToDeviceMail

log = structlog.get_logger(__name__)

_encode = msgspec.json.Encoder().encode


@attrs.frozen(slots=True)
class _Device:
    mail: ToDeviceMail
    counts: KeyCounts


@attrs.frozen(slots=True)
class _Followed:
    """A session that is followed: what its user sees, and what its devices get."""

    lists: DeviceListWatch
    devices: dict[DeviceId, _Device] = attrs.Factory(dict)


@attrs.frozen(slots=True)
class DeviceStores:
    """Where messages wait and keys are counted."""

    to_device: ToDeviceStore
    key_counts: KeyCountStore


class DeviceUpdates:
    """The parts of answers that tell of devices.

    ``in_room`` gives the sessions that look at a room, by its number.
    """

    def __init__(
        self,
        log: Log,
        clock: Clock,
        stores: DeviceStores,
        lists: DeviceLists,
        in_room: Callable[[int], Iterable[Session]],
    ) -> None:
        self._log = log
        self._clock = clock
        self._stores = stores
        self._lists = lists
        self._in_room = in_room
        self._sessions: WeakValueDictionary[UserId, Session] = WeakValueDictionary()
        self._followed: WeakKeyDictionary[Session, _Followed] = WeakKeyDictionary()
        self._acknowledged: dict[DeviceAddress, Acknowledgement] = {}
        self._is_deleting = False
        log.subscribe(self._apply)

    # --- what syncs ask

    def has_news(self, session: Session, device_id: DeviceId | None, since: SyncToken) -> bool:
        """Whether something may have come after a token. No I/O."""
        followed = self._follow(session)
        if followed.lists.has_news(since):
            return True
        if device_id is None:
            return False
        device = self._device(session, followed, device_id)
        position = since.positions[session.shard]
        return device.mail.has_news(position) or device.counts.has_news(position)

    async def parts(
        self,
        session: Session,
        device_id: DeviceId | None,
        since: SyncToken | None,
        until: SyncToken,
    ) -> list[bytes]:
        """The JSON members of an answer: what came in (since, until], and what every answer tells
        (see `standing`)."""
        parts = []
        followed = self._follow(session)
        if device_id is not None:
            mail = self._device(session, followed, device_id).mail
            position = since.positions[session.shard] if since is not None else None
            events = await mail.messages(position, until.positions[session.shard])
            if events:
                parts.append(b'"to_device":{"events":[%s]}' % b",".join(events))
            if since is not None:
                # Not known before the messages were read: what an earlier process left behind.
                self.acknowledge(session, device_id, since)
        lists = await self.device_lists(session, since, until)
        if lists is not None:
            parts.append(b'"device_lists":' + lists)
        if device_id is not None:
            parts += await self._device(session, followed, device_id).counts.members()
        return parts

    async def device_lists(
        self, session: Session, since: SyncToken | None, until: SyncToken
    ) -> bytes | None:
        """The JSON object of the users whose devices changed in (since, until], if there are any;
        a reader without a token asks for everyone anyway."""
        watch = self._follow(session).lists
        if since is None or not watch.has_news(since):
            return None
        changed, left = await self._lists.since(session, watch, since, until)
        if not changed and not left:
            return None
        return _encode({"changed": sorted(changed), "left": sorted(left)})

    def tells_news(
        self,
        session: Session,
        device_id: DeviceId | None,
        since: SyncToken,
        parts: Sequence[bytes],
    ) -> bool:
        """Whether what `parts` gave for a token is more than what the device knows already."""
        if device_id is None:
            return bool(parts)
        counts = self._device(session, self._follow(session), device_id).counts
        position = since.positions[session.shard]
        return len(parts) > len(counts.known) or counts.has_news(position)

    def standing(self, session: Session, device_id: DeviceId | None) -> list[bytes]:
        """The JSON members that every answer to a device has, also one that tells nothing: the
        counts of its keys. No I/O, for a device that has no news."""
        if device_id is None:
            return []
        return self._device(session, self._follow(session), device_id).counts.known

    def acknowledge(self, session: Session, device_id: DeviceId | None, since: SyncToken) -> None:
        """A device came back with a token: what came to it up to there is deleted soon."""
        if device_id is None:
            return
        self.delete(self.mail(session, device_id).acknowledge(since.positions[session.shard]))

    def delete(self, acknowledged: Acknowledgement | None) -> None:
        """Delete soon what a device acknowledged, if that is anything."""
        if acknowledged is None:
            return
        address = (acknowledged.user_id, acknowledged.device_id)
        waiting = self._acknowledged.get(address)
        if waiting is None or waiting.delivered <= acknowledged.delivered:
            self._acknowledged[address] = acknowledged
        if not self._is_deleting:
            self._is_deleting = True
            Deferred.fromCoroutine(self._delete())

    def mail(self, session: Session, device_id: DeviceId) -> ToDeviceMail:
        """The messages to a device."""
        return self._device(session, self._follow(session), device_id).mail

    def counts(self, session: Session, device_id: DeviceId) -> KeyCounts:
        """How many keys a device has left."""
        return self._device(session, self._follow(session), device_id).counts

    def lists(self, session: Session) -> DeviceListWatch:
        """Whose devices changed, as the user of a session sees it."""
        return self._follow(session).lists

    async def _delete(self) -> None:
        """Delete what was acknowledged, all that gathered while the last deletion ran at once."""
        while self._acknowledged:
            acknowledged = dict(self._acknowledged)
            try:
                await self._stores.to_device.acknowledge(list(acknowledged.values()))
            except (DatabaseDown, DatabaseFull) as error:
                # They are never delivered again; the next acknowledgement takes them along.
                log.warning("deletion_of_messages_put_off", error=str(error))
                break
            for address, deleted in acknowledged.items():
                if self._acknowledged[address] is deleted:
                    del self._acknowledged[address]
        self._is_deleting = False

    # --- what is followed

    def _follow(self, session: Session) -> _Followed:
        followed = self._followed.get(session)
        if followed is None:
            followed = _Followed(DeviceListWatch(self._log.published))
            self._followed[session] = followed
            self._sessions[session.user_id] = session
        return followed

    def _device(self, session: Session, followed: _Followed, device_id: DeviceId) -> _Device:
        device = followed.devices.get(device_id)
        if device is None:
            address = (session.user_id, device_id)
            # Of a session that was forgotten and is back before the deletion is done.
            waiting = self._acknowledged.get(address)
            acknowledged = waiting.delivered if waiting is not None else 0
            device = followed.devices[device_id] = _Device(
                ToDeviceMail(
                    self._stores.to_device, self._log, address, session.shard, acknowledged
                ),
                KeyCounts(self._stores.key_counts, address),
            )
        return device

    # --- what the log brings

    def _apply(self, entries: Sequence[Entry]) -> None:
        wake: dict[Session, None] = {}
        for entry in entries:
            match entry:
                case ToDeviceEntry():
                    for session, device in self._addressed(entry.recipients):
                        device.mail.add(entry.position)
                        wake[session] = None
                case OneTimeKeysEntry():
                    for session, device in self._addressed(entry.devices):
                        device.counts.changed(entry.position)
                        wake[session] = None
                case DeviceListEntry():
                    self._apply_change(entry, wake)
                case UserSignaturesEntry():
                    signer = self._sessions.get(entry.user_id)
                    if signer is not None:
                        for user_id in entry.signed:
                            self._note(signer, user_id, entry)
                        wake[signer] = None
                case EventEntry():
                    # Whoever is in the room is woken by the event itself.
                    self._apply_membership(entry)
        if wake:
            # In a turn of its own, so that whoever wrote is answered first.
            self._clock.call_later(0, _wake, list(wake))

    def _addressed(self, addresses: Iterable[DeviceAddress]) -> Iterable[tuple[Session, _Device]]:
        """The devices among these that are followed."""
        for user_id, device_id in addresses:
            session = self._sessions.get(user_id)
            device = self._followed[session].devices.get(device_id) if session is not None else None
            if session is not None and device is not None:
                yield session, device

    def _apply_change(self, entry: DeviceListEntry, wake: dict[Session, None]) -> None:
        seers = {session for nid in entry.room_nids for session in self._in_room(nid)}
        own = self._sessions.get(entry.user_id)
        if own is not None:
            seers.add(own)
        for session in seers:
            self._note(session, entry.user_id, entry)
            wake[session] = None

    def _note(self, session: Session, user_id: UserId, entry: Entry) -> None:
        followed = self._followed.get(session)
        if followed is not None:
            followed.lists.user_changed(user_id, (entry.shard, entry.position))

    def _apply_membership(self, entry: EventEntry) -> None:
        if entry.append.membership is None and not entry.append.resolved:
            return
        for user_id, move in self._lists.moves_of(entry.append):
            self._note_move(entry, user_id, move)

    def _note_move(self, entry: EventEntry, user_id: UserId, move: Move) -> None:
        nid, place = entry.append.stored.room_nid, (entry.shard, entry.position)
        for session in self._in_room(nid):
            followed = self._followed.get(session)
            if followed is None or session.user_id == user_id:
                continue
            if move is Move.IN:
                followed.lists.user_changed(user_id, place)
            else:
                followed.lists.user_left(user_id, place)
        own = self._sessions.get(user_id)
        if own is not None:
            watch = self._followed[own].lists
            if move is Move.IN:
                watch.entered(nid, place)
            else:
                watch.departed(nid, place)


def _wake(sessions: list[Session]) -> None:
    for session in sessions:
        session.wake()
