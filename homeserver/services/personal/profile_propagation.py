"""Telling a user's rooms of a new name or picture, in the background.

Client-server API, "Events on Change of Profile Information". What is left to do is read from what
the rooms show: so an interrupted update goes on where it was, and does nothing twice. A room that
shows neither the former nor the new name has a name of its own, which stays; so with pictures.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec
import structlog
from twisted.internet.defer import Deferred

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import DatabaseUnavailable, MatrixError
from homeserver.domain.identifiers import UserId
from homeserver.domain.profile_fields import AVATAR_URL, DISPLAY_NAME
from homeserver.log.log import all_committed
from homeserver.ports.clock import Clock
from homeserver.ports.database import DatabaseDown, DatabaseFull
from homeserver.ports.personal.profile_store import ProfileStore, ProfileUpdate, ShownProfile
from homeserver.ports.personal.profiles import Profile
from homeserver.rooms.actor import NewEvent, RoomActor
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import MEMBER

AT_ONCE: Final = 20
"""How many rooms are told before there is a pause."""

PAUSE_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 5.0

# What a member event says of how a user came in; it does not hold for the next one.
_OF_THE_JOIN: Final = ("reason", "join_authorised_via_users_server", "third_party_invite")

log = structlog.get_logger(__name__)


@attrs.frozen(slots=True)
class _Goal:
    """What rooms should show in the place of what."""

    update: ProfileUpdate
    profile: Profile

    def is_behind(self, shown: ShownProfile) -> bool:
        """Whether a room shows something that the user has replaced."""
        return self._changes(shown.display_name, shown.avatar_url) != {}

    def content(self, before: JsonObject) -> JsonObject | None:
        """What a member event should become; None when it should stay."""
        changes = self._changes(_text(before.get(DISPLAY_NAME)), _text(before.get(AVATAR_URL)))
        if not changes:
            return None
        content = {k: v for k, v in before.items() if k not in changes and k not in _OF_THE_JOIN}
        content.update((key, value) for key, value in changes.items() if value is not None)
        return content

    def _changes(self, name: str | None, avatar: str | None) -> dict[str, str | None]:
        changes: dict[str, str | None] = {}
        if name in self.update.former_display_names and name != self.profile.displayname:
            changes[DISPLAY_NAME] = self.profile.displayname
        if avatar in self.update.former_avatar_urls and avatar != self.profile.avatar_url:
            changes[AVATAR_URL] = self.profile.avatar_url
        return changes


@attrs.define(slots=True, eq=False)
class _Job:
    """An update that is under way."""

    update: ProfileUpdate
    goal: _Goal | None = None
    ahead: list[int] = attrs.Factory(list)
    """The rooms to tell next."""
    done: set[int] = attrs.Factory(set)


class ProfilePropagation:
    """Carries out updates, those of several users in turns."""

    def __init__(self, store: ProfileStore, directory: RoomDirectory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._jobs: dict[UserId, _Job] = {}
        self._running = False
        self._stopping = False

    async def resume(self) -> None:
        """Go on with what a stop has interrupted."""
        for update in await self._store.updates():
            self.add(update)

    def add(self, update: ProfileUpdate) -> None:
        """Carry out an update that is stored, in place of the one that it was joined to."""
        self._jobs[update.user_id] = _Job(update)
        if not self._running and not self._stopping:
            self._running = True
            Deferred.fromCoroutine(self._run()).addErrback(
                lambda failure: log.error("profile_updates_stopped", exc_info=failure.value)
            )

    def stop(self) -> None:
        """Begin nothing more; what is left waits for the next start."""
        self._stopping = True

    async def _run(self) -> None:
        try:
            while self._jobs and not self._stopping:
                job = next(iter(self._jobs.values()))
                await self._clock.sleep(await self._go_on(job))
        finally:
            self._running = False

    async def _go_on(self, job: _Job) -> float:
        """Tell some rooms; the seconds to pause afterwards."""
        user_id = job.update.user_id
        try:
            is_finished = await self._tell_some(job)
        except (DatabaseDown, DatabaseFull, DatabaseUnavailable) as error:
            log.warning("profile_update_delayed", user_id=user_id, error=str(error))
            job.goal = None
            return RETRY_SECONDS
        except Exception as error:
            # It is stored, and tried again at the next start; others must not wait for it.
            log.error("profile_update_failed", user_id=user_id, exc_info=error)
            is_finished = True
        if self._jobs.get(user_id) is job:
            del self._jobs[user_id]
            if not is_finished:
                self._jobs[user_id] = job
        return PAUSE_SECONDS

    async def _tell_some(self, job: _Job) -> bool:
        """Tell some rooms; whether there was none left."""
        if job.goal is None or not job.ahead:
            job.goal = await self._plan(job)
        if not job.ahead:
            await self._store.finish(job.update)
            return True
        nids, job.ahead = job.ahead[:AT_ONCE], job.ahead[AT_ONCE:]
        actors = await self._directory.load(nids)
        commits = []
        for actor in actors.values():
            committed = await self._tell(actor, job.update.user_id, job.goal)
            if committed is not None:
                commits.append(committed)
        await all_committed(commits)
        job.done.update(nids)
        return False

    async def _plan(self, job: _Job) -> _Goal:
        """Look which rooms are behind; also those that were joined as the profile changed."""
        user_id = job.update.user_id
        stored = (await self._store.fields([user_id])).get(user_id, b"{}")
        fields = msgspec.json.decode(stored)
        goal = _Goal(job.update, Profile(fields.get(DISPLAY_NAME), fields.get(AVATAR_URL)))
        shown = await self._store.shown_in_rooms(user_id)
        job.ahead = [s.room_nid for s in shown if goal.is_behind(s) and s.room_nid not in job.done]
        return goal

    async def _tell(self, actor: RoomActor, user_id: UserId, goal: _Goal) -> Deferred[None] | None:
        """Append the member event that a room needs, if it needs one."""
        await actor.prepare([NewEvent(MEMBER, user_id, {"membership": "join"}, state_key=user_id)])
        member = actor.head_event((MEMBER, user_id))
        if member is None or actor.head_membership(user_id) != "join":
            return None
        content = goal.content(member.event.content)
        if content is None:
            return None
        new = NewEvent(MEMBER, user_id, content, state_key=user_id)
        return Deferred.fromCoroutine(_append(actor, new))


async def _append(actor: RoomActor, new: NewEvent) -> None:
    try:
        await actor.append(new)
    except DatabaseUnavailable:
        raise
    except MatrixError as error:
        log.info("profile_refused", room_id=actor.view.room_id, reason=error.message)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
