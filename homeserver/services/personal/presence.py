"""Who is there, in memory only.

Client-server API, "Presence". What users do is taken from the log, what their clients say from
their requests. Others are told when a state changes, at most once a second for each user; a session
reads the present state of whom it sees when it has been told, or when it begins.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec
import structlog

from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import UserId
from homeserver.domain.presence import IDLE_AFTER_MS, Availability, PresenceState
from homeserver.log.entries import Entry, EventEntry, PresenceEntry, ReceiptEntry
from homeserver.log.log import Log
from homeserver.log.shards import shard_of_user
from homeserver.ports.clock import Clock, DelayedCall
from homeserver.ports.personal.profiles import Profile
from homeserver.ports.rooms.memberships import MembershipStore

CAPACITY: Final = 50_000
"""Of how many users it is known whether they are there; those seen longest ago are forgotten."""

GRACE_MS: Final = 30_000
"""How long after a sync has ended a client is taken to be there."""

LONGEST_SYNC_MS: Final = 30_000
"""How long a sync is taken to last when it is not said."""

PAUSE_MS: Final = 1000
"""The least time between two notices of a user."""

REMOTE_STATE_MS: Final = 3_600_000
"""How long what another server tells of a user is believed."""

_REMOTE: Final = ""
"""Stands for the clients of a user of another server."""

log = structlog.get_logger(__name__)

_encode = msgspec.json.Encoder().encode


@attrs.frozen(slots=True)
class _Told:
    """What others have been told of a user."""

    state: PresenceState = PresenceState.OFFLINE
    status_msg: str | None = None
    profile: Profile | None = None


@attrs.define(slots=True)
class _User:
    availability: Availability = attrs.Factory(Availability)
    status_msg: str | None = None
    profile: Profile | None = None
    """Name and picture, once they have changed."""
    told: _Told = _Told()
    told_ms: int = 0
    timer: DelayedCall | None = None
    due_ms: int = 0
    room_nids: tuple[int, ...] = ()
    """Those of a user of another server, who has no session that knows them."""

    def content(self, now_ms: int) -> dict[str, Any]:
        """The content of m.presence."""
        state = self.availability.state(now_ms)
        content: dict[str, Any] = {"presence": state.value}
        if self.availability.last_active_ms:
            content["last_active_ago"] = max(0, now_ms - self.availability.last_active_ms)
        if state is PresenceState.ONLINE:
            # Nobody is told how the time goes on: who is not active any more is unavailable.
            content["currently_active"] = True
        if self.status_msg is not None:
            content["status_msg"] = self.status_msg
        if self.profile is not None:
            if self.profile.displayname is not None:
                content["displayname"] = self.profile.displayname
            if self.profile.avatar_url is not None:
                content["avatar_url"] = self.profile.avatar_url
        return content


@attrs.frozen(slots=True)
class RemotePresence:
    """What another server says of its user; ``last_active_ago`` is in milliseconds."""

    state: PresenceState
    status_msg: str | None
    last_active_ago: int


class Presence:
    """The presence of the users of this process. Does nothing when it is switched off."""

    def __init__(
        self,
        log: Log,
        memberships: MembershipStore,
        clock: Clock,
        *,
        enabled: bool = True,
        capacity: int = CAPACITY,
    ) -> None:
        self._log = log
        self._memberships = memberships
        self._clock = clock
        self._enabled = enabled
        self._capacity = capacity
        self._users: OrderedDict[UserId, _User] = OrderedDict()
        if enabled:
            log.subscribe(self._apply)

    # --- what is asked

    def current(self, user_id: UserId) -> dict[str, Any] | None:
        """The content of m.presence for a user; None when nothing is known of them."""
        user = self._users.get(user_id)
        return user.content(self._clock.now_ms()) if user is not None else None

    def event(self, user_id: UserId) -> bytes | None:
        """The m.presence event of a user as in /sync; None when nothing is known of them."""
        content = self.current(user_id)
        if content is None:
            return None
        return _encode({"content": content, "sender": user_id, "type": "m.presence"})

    async def seen_by(self, asking: UserId, user_id: UserId) -> dict[str, Any]:
        """The presence of a user for another one. Raises Forbidden for who shares no room."""
        if asking != user_id:
            shared = await self._memberships.shared_rooms(asking, user_id, after=None, limit=1)
            if not shared.total:
                raise Forbidden("You are not allowed to see their presence")
        return self.current(user_id) or {"presence": PresenceState.OFFLINE.value}

    # --- what happens

    def note_sync(
        self,
        user_id: UserId,
        set_presence: str,
        device_id: str = "",
        lasting_ms: int = LONGEST_SYNC_MS,
    ) -> None:
        """A client syncs, and will wait for at most ``lasting_ms``. Does no I/O."""
        if not self._enabled:
            return
        state = PresenceState(set_presence)
        if state is PresenceState.OFFLINE and user_id not in self._users:
            return
        now_ms = self._clock.now_ms()
        user = self._user(user_id)
        user.availability.connect(device_id, state, now_ms, now_ms + lasting_ms + GRACE_MS)
        self._look_at(user_id, user, now_ms)

    def set(
        self,
        user_id: UserId,
        state: PresenceState,
        status_msg: str | None,
        device_id: str = "",
    ) -> None:
        """A user sets their state by hand."""
        if not self._enabled:
            return
        now_ms = self._clock.now_ms()
        user = self._user(user_id)
        user.availability.choose(device_id, state, now_ms, now_ms + IDLE_AFTER_MS)
        user.status_msg = status_msg
        self._look_at(user_id, user, now_ms)

    def note_remote(
        self, user_id: UserId, update: RemotePresence, room_nids: tuple[int, ...]
    ) -> None:
        """The server of a user tells their state, which holds for a while; ``room_nids`` are the
        rooms they are in."""
        if not self._enabled:
            return
        now_ms = self._clock.now_ms()
        user = self._user(user_id)
        user.room_nids = room_nids
        user.status_msg = update.status_msg
        active_ms = now_ms - update.last_active_ago
        if update.state is PresenceState.ONLINE:
            # Their server knows better how long one is active.
            active_ms = max(active_ms, now_ms - IDLE_AFTER_MS + 1)
        user.availability.choose(_REMOTE, update.state, active_ms, now_ms + REMOTE_STATE_MS)
        self._look_at(user_id, user, now_ms)

    def note_profile(self, user_id: UserId, profile: Profile) -> None:
        """A user has changed their name or picture."""
        user = self._users.get(user_id)
        if user is not None:
            user.profile = profile
            self._look_at(user_id, user, self._clock.now_ms())

    def _apply(self, entries: Sequence[Entry]) -> None:
        """Who has sent something, or read it, is active."""
        for entry in entries:
            match entry:
                case EventEntry() if entry.append.membership is None:
                    # Member events may come of themselves, when a name has changed.
                    self._act(entry.append.stored.event.sender)
                case ReceiptEntry():
                    for receipt in entry.receipts:
                        self._act(receipt.user_id)

    def _act(self, user_id: UserId) -> None:
        user = self._users.get(user_id)
        if user is not None:
            now_ms = self._clock.now_ms()
            user.availability.act(now_ms)
            self._look_at(user_id, user, now_ms)

    # --- telling

    def _user(self, user_id: UserId) -> _User:
        user = self._users.get(user_id)
        if user is None:
            user = self._users[user_id] = _User()
            if len(self._users) > self._capacity:
                _, oldest = self._users.popitem(last=False)
                if oldest.timer is not None:
                    oldest.timer.cancel()
        else:
            self._users.move_to_end(user_id)
        return user

    def _look_at(self, user_id: UserId, user: _User, now_ms: int) -> None:
        """Tell what others do not know yet, now or as soon as may be, and look again in time."""
        state = user.availability.state(now_ms)
        known = user.told
        if (
            user.timer is not None
            and state is known.state
            and user.status_msg == known.status_msg
            and user.profile == known.profile
        ):
            return  # nearly every sync comes this way
        told = _Told(state, user.status_msg, user.profile)
        if told == user.told:
            due_ms = user.availability.next_change(now_ms)
        elif now_ms - user.told_ms < PAUSE_MS:
            due_ms = user.told_ms + PAUSE_MS
        else:
            user.told, user.told_ms = told, now_ms
            self._tell(user_id, user.content(now_ms))
            due_ms = user.availability.next_change(now_ms)
        if due_ms is not None and (user.timer is None or due_ms < user.due_ms):
            if user.timer is not None:
                user.timer.cancel()
            user.due_ms = due_ms
            seconds = (due_ms - now_ms) / 1000
            user.timer = self._clock.call_later(seconds, self._look_again, user_id, user)

    def _look_again(self, user_id: UserId, user: _User) -> None:
        user.timer = None
        now_ms = self._clock.now_ms()
        user.availability.forget_gone(now_ms)
        self._look_at(user_id, user, now_ms)

    def _tell(self, user_id: UserId, content: dict[str, Any]) -> None:
        shard = shard_of_user(user_id, self._log.shards)
        rooms = self._users[user_id].room_nids
        entry = PresenceEntry(shard, self._log.next_position(shard), user_id, content, rooms)
        self._log.append(entry).addErrback(
            lambda failure: log.warning("presence_not_told", error=str(failure.value))
        )
