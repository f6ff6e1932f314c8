"""The answer to /send_join: the state of a room, which may be very large.

Server-server API, "Joining Rooms". Its events are passed on while it arrives, and no more of it is
received than is worked on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, Final, Protocol

import attrs
import msgspec

from federation.membership.event_splitter import Element, EventSplitter
from federation.membership.failures import UnusableAnswer
from federation.transport.errors import RemoteError
from federation.transport.federation_client import FederationClient
from federation.transport.messages import AnswerHead, Sink
from federation.transport.request_paths import federation_path
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName

_MISSING_ENDPOINT: Final = (404, 405)

_Emptied = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=0)]


class JoinAnswer(msgspec.Struct):
    """What a server tells who joins, without the events of its arrays. ``event`` is a JSON text."""

    state: _Emptied
    auth_chain: _Emptied
    event: msgspec.Raw = msgspec.Raw(b"null")
    members_omitted: bool = False


class TakesEvents(Protocol):
    """Takes the events of an answer."""

    def begin(self) -> None:
        """An answer begins, perhaps once more."""
        ...

    def take(self, elements: Sequence[Element]) -> Awaitable[None] | None:
        """Take some events; what is returned is to be awaited before there are more."""
        ...


class TakesNone:
    """For who has the room already. See :class:`TakesEvents`."""

    def begin(self) -> None:
        pass

    def take(self, elements: Sequence[Element]) -> Awaitable[None] | None:
        return None


@attrs.frozen
class JoinLimits:
    """How large an answer may be, and how long it may take to come."""

    max_bytes: int = 200_000_000
    seconds: float = 600.0


class JoinSubmission:
    """Hands in joins."""

    def __init__(self, client: FederationClient, limits: JoinLimits) -> None:
        self._client = client
        self._limits = limits

    async def submit(self, server: ServerName, join: Event, events: TakesEvents) -> JoinAnswer:
        """What a server answers that takes a join; its events go to ``events``.

        Raises UnusableAnswer, and what the client and ``events`` raise.
        """
        try:
            answer: JoinAnswer = await self._send(server, join, "v2", events, 1, JoinAnswer)
            return answer
        except RemoteError as error:
            if error.remote_status not in _MISSING_ENDPOINT or error.remote_errcode not in (
                "M_UNRECOGNIZED",
                "M_UNKNOWN",
            ):
                raise
        # In the first form of the operation it is in an array with the number 200.
        pair: tuple[int, JoinAnswer] = await self._send(
            server, join, "v1", events, 2, tuple[int, JoinAnswer]
        )
        return pair[1]

    async def _send(
        self,
        server: ServerName,
        join: Event,
        api: str,
        events: TakesEvents,
        depth: int,
        kind: Any,
    ) -> Any:
        splitter = EventSplitter(depth)

        def open_sink(head: AnswerHead) -> Sink:
            nonlocal splitter
            splitter = EventSplitter(depth)
            events.begin()
            return lambda chunk: events.take(splitter.feed(chunk))

        await self._client.stream(
            "PUT",
            server,
            federation_path("send_join", join.room_id, join.event_id, version=api),
            open_sink,
            content=join.pdu,
            timeout=self._limits.seconds,
            max_bytes=self._limits.max_bytes,
        )
        try:
            return msgspec.json.decode(splitter.rest(), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reason = f"The answer of {server} to a join is malformed: {error}"
            raise UnusableAnswer(reason) from None
