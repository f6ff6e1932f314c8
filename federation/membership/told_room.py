"""Checking the room that another server tells when one joins.

Server-server API, "Joining Rooms" and "Checks performed on receipt of a PDU". Events are checked in
batches on other threads, so that a room with many members holds nobody up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from hashlib import blake2b
from typing import Any, Final, Protocol

import attrs
import msgspec
import structlog

from federation.inbound.event_checks import EventChecks
from federation.membership.event_splitter import Element
from federation.membership.failures import UnusableAnswer
from federation.membership.handshake import UNSTATED, Made
from federation.membership.join_answer import JoinAnswer
from homeserver.domain.auth_rules import check_event_auth
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.events import Event, StateKey
from homeserver.domain.identifiers import EventId, ServerName
from homeserver.domain.room_versions import ROOM_VERSIONS, EventFormat, RoomVersion
from homeserver.ports.threads import RunInThread

BATCH: Final = 250
"""How many events are checked at once."""
MOST_EVENTS: Final = 1_000_000
"""How many events the state of a room, and all of the answer, may have."""
REPORTED: Final = 2000
"""After so many events the log tells how far it is."""

CREATE: Final[StateKey] = ("m.room.create", "")

log = structlog.get_logger(__name__)


class JoinWatch(Protocol):
    """Is told how joins get on."""

    def checked(self, events: int) -> None:
        """So many more events of a room were checked."""
        ...

    def ended(self, outcome: str, seconds: float) -> None:
        """A join through one server ended: "joined" or "failed"."""
        ...


@attrs.frozen
class ToldRoom:
    """A room as another server tells it, checked: all its events, its state, and the join."""

    version: RoomVersion
    events: list[Event]
    state: dict[StateKey, EventId]
    join: Event


class RoomReader:
    """Checks the events of an answer in batches, while more of them arrive.

    See :class:`federation.membership.join_answer.TakesEvents`. Most events of the state are in the
    auth chain as well; each is checked once.
    """

    def __init__(
        self, join: Event, checks: EventChecks, run_in_thread: RunInThread, watch: JoinWatch
    ) -> None:
        self._join = join
        self._checks = checks
        self._run_in_thread = run_in_thread
        self._watch = watch
        self.begin()

    def begin(self) -> None:
        """See :class:`federation.membership.join_answer.TakesEvents`."""
        self._seen: set[bytes] = set()
        self._in_state: list[bytes] = []
        self._waiting: list[tuple[bytes, bytes]] = []
        self._events: dict[bytes, Event] = {}
        self._reported = 0

    def take(self, elements: Sequence[Element]) -> Awaitable[None] | None:
        """See :class:`federation.membership.join_answer.TakesEvents`. Raises UnusableAnswer when
        there are too many."""
        for is_state, text in elements:
            digest = blake2b(text, digest_size=16).digest()
            if is_state:
                self._in_state.append(digest)
            if digest not in self._seen:
                self._seen.add(digest)
                self._waiting.append((digest, text))
        if len(self._seen) > MOST_EVENTS or len(self._in_state) > MOST_EVENTS:
            raise UnusableAnswer("The answer has too many events")
        return self._check() if len(self._waiting) >= BATCH else None

    async def events(self) -> list[Event]:
        """All events that are in order."""
        await self._check()
        return list(self._events.values())

    def state(self) -> dict[StateKey, Event]:
        """The state among them. Raises UnusableAnswer when it has two events for one place."""
        state: dict[StateKey, Event] = {}
        for digest in self._in_state:
            event = self._events.get(digest)
            if event is None or not event.is_state:
                continue
            held = state.setdefault(event.state_map_key(), event)
            if held.event_id != event.event_id:
                raise UnusableAnswer("The state has two events for one place")
        return state

    async def _check(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), BATCH):
            await self._check_batch(waiting[start : start + BATCH])

    async def _check_batch(self, batch: Sequence[tuple[bytes, bytes]]) -> None:
        room_id = self._join.room_id
        pdus = await self._run_in_thread(_objects, [text for _, text in batch])
        checked = await self._checks.checked(pdus, self._join.version)
        for (digest, _), event in zip(batch, checked, strict=True):
            if not isinstance(event, Event):
                log.info(
                    "event_of_join_refused",
                    room_id=room_id,
                    event_id=event.event_id,
                    reason=event.reason,
                )
            elif event.room_id == room_id:
                self._events[digest] = event
        self._watch.checked(len(batch))
        if len(self._events) >= self._reported + REPORTED:
            self._reported = len(self._events)
            log.info("join_progress", room_id=room_id, events=self._reported)


class ToldRooms:
    """Checks what is told of rooms."""

    def __init__(self, checks: EventChecks, run_in_thread: RunInThread, watch: JoinWatch) -> None:
        self._checks = checks
        self._run_in_thread = run_in_thread
        self._watch = watch

    def reader(self, made: Made) -> RoomReader:
        """What takes the events of the answer to a join."""
        return RoomReader(made.event, self._checks, self._run_in_thread, self._watch)

    async def checked(
        self, server: ServerName, made: Made, answer: JoinAnswer, read: RoomReader
    ) -> ToldRoom:
        """The room of an answer, whose events were ``read``. Raises UnusableAnswer when it cannot
        be."""
        if answer.members_omitted:
            raise UnusableAnswer(f"{server} leaves members out, which nobody asked for")
        join = await self.signed(server, made.event, answer.event)
        events = await read.events()
        state = read.state()
        version = _version(server, made, state)
        try:
            check_event_auth(join, state, state[CREATE])
        except Forbidden as error:
            reason = f"By the state of {server} the join is not allowed: {error.message}"
            raise UnusableAnswer(reason) from None
        if version is not join.version:
            events = [Event.from_pdu(e.pdu, version, e.event_id) for e in events]
            join = Event.from_pdu(join.pdu, version, join.event_id)
        places = {key: event.event_id for key, event in state.items()}
        return ToldRoom(version, events, places, join)

    async def signed(self, server: ServerName, ours: Event, told: msgspec.Raw) -> Event:
        """The join with the signatures that another server gave it: all else is as we made it.

        Raises UnusableAnswer when a signature is missing that the event needs.
        """
        pdu: Any = msgspec.json.decode(told)
        if not isinstance(pdu, dict) or _unsigned(pdu) != _unsigned(ours.pdu_object()):
            pdu = ours.pdu_object()
        (event,) = await self._checks.checked([pdu], ours.version)
        if not isinstance(event, Event):
            raise UnusableAnswer(f"{server} returned a join that is not signed: {event.reason}")
        return event


def _objects(texts: Sequence[bytes]) -> list[JsonObject]:
    """What is no JSON object becomes an empty one, which is refused like any event that is none."""
    return [_object(text) for text in texts]


def _object(text: bytes) -> JsonObject:
    try:
        value: JsonObject = msgspec.json.decode(text, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value


def _version(server: ServerName, made: Made, state: dict[StateKey, Event]) -> RoomVersion:
    """The version of the room, which its create event and the server must agree on."""
    create = state.get(CREATE)
    if create is None:
        raise UnusableAnswer(f"The state of {server} lacks the create event")
    created = create.content.get("room_version", UNSTATED)
    version = ROOM_VERSIONS.get(created) if isinstance(created, str) else None
    expected = made.event.version
    may_be_either = not made.states_version and expected.event_format is EventFormat.V1
    if version is expected:
        return expected
    if version is not None and may_be_either and version.event_format is EventFormat.V1:
        return version
    raise UnusableAnswer(f"{server} is wrong about the version of the room")


def _unsigned(pdu: JsonObject) -> JsonObject:
    return {key: value for key, value in pdu.items() if key not in ("signatures", "unsigned")}
