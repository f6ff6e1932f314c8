"""Making member events with the templates of servers that are in the room.

Server-server API, "Joining Rooms": /make_join, /make_leave and /make_knock. Of a template nothing
is taken but where the event belongs in the room, and who vouches for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from federation.membership.failures import UnusableAnswer
from federation.transport.federation_client import FederationClient
from federation.transport.request_paths import federation_path
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import MatrixError
from homeserver.domain.events import Event, EventDraft, EventReference, build_event, parse_pdu
from homeserver.domain.identifiers import EventId, RoomId, ServerName, UserId
from homeserver.domain.membership import Membership
from homeserver.domain.room_versions import (
    ROOM_VERSIONS,
    EventFormat,
    RoomVersion,
    room_version,
)
from homeserver.domain.signing import SigningKey
from homeserver.ports.clock import Clock

MEMBER: Final = "m.room.member"
VOUCHED: Final = "join_authorised_via_users_server"

# Without a version the room is one of the two oldest, which have the same format.
UNSTATED: Final = "1"


@attrs.frozen
class Wish:
    """What a user of this server wants to be to a room: ``content`` of the member event."""

    user_id: UserId
    room_id: RoomId
    membership: Membership
    content: JsonObject


@attrs.frozen
class Made:
    """A member event that is signed by this server. ``states_version`` says whether the other
    server named the version of the room."""

    event: Event
    states_version: bool


@attrs.frozen
class Pen:
    """What this server makes events with; ``new_event_id`` is for room versions 1 and 2."""

    server_name: ServerName
    signing_key: SigningKey
    clock: Clock
    new_event_id: Callable[[], EventId]

    def write(
        self,
        draft: EventDraft,
        version: RoomVersion,
        prev_events: list[EventReference],
        auth_events: list[EventReference],
        depth: int,
    ) -> Event:
        """A signed event. Raises BadJson and TooLarge."""
        return build_event(
            draft,
            version,
            prev_events=prev_events,
            auth_events=auth_events,
            depth=depth,
            server_name=self.server_name,
            signing_key=self.signing_key,
            event_id=self.new_event_id() if version.event_format is EventFormat.V1 else None,
        )


class Handshake:
    """Asks servers for templates, and makes events of them."""

    def __init__(self, client: FederationClient, pen: Pen) -> None:
        self._client = client
        self._pen = pen

    async def make(
        self,
        server: ServerName,
        wish: Wish,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Made:
        """The event of a wish, with what a server says of its place.

        Raises UnusableAnswer, and what the client raises.
        """
        verb = "make_" + wish.membership.value
        asks_version = wish.membership is not Membership.LEAVE
        answer = await self._client.get_json(
            server,
            federation_path(verb, wish.room_id, wish.user_id),
            query={"ver": list(ROOM_VERSIONS)} if asks_version else None,
            timeout=timeout,
        )
        try:
            return Made(self._event(answer, wish), "room_version" in answer)
        except MatrixError as error:
            raise UnusableAnswer(
                f"The template of {server} is malformed: {error.message}"
            ) from None

    def _event(self, answer: JsonObject, wish: Wish) -> Event:
        stated: Any = answer.get("room_version", UNSTATED)
        template: Any = answer.get("event")
        if not isinstance(stated, str) or not isinstance(template, dict):
            raise UnusableAnswer("it is none")
        version = room_version(stated)
        _check_template(template, wish)
        event = self._pen.write(
            EventDraft(
                wish.room_id,
                MEMBER,
                wish.user_id,
                wish.user_id,
                _content(template, wish, version),
                self._pen.clock.now_ms(),
            ),
            version,
            _references(template.get("prev_events"), version),
            _references(template.get("auth_events"), version),
            _depth(template.get("depth"), version),
        )
        return parse_pdu(event.pdu_object(), version)


def _check_template(template: JsonObject, wish: Wish) -> None:
    content: Any = template.get("content")
    expected: list[tuple[str, Any, str]] = [
        ("type", template.get("type"), MEMBER),
        ("room_id", template.get("room_id"), wish.room_id),
        ("sender", template.get("sender"), wish.user_id),
        ("state_key", template.get("state_key"), wish.user_id),
    ]
    for name, value, wanted in expected:
        if value != wanted:
            raise UnusableAnswer(f"its {name} is not {wanted}")
    if not isinstance(content, dict) or content.get("membership") != wish.membership:
        raise UnusableAnswer(f"its membership is not {wish.membership}")


def _content(template: JsonObject, wish: Wish, version: RoomVersion) -> JsonObject:
    content = {key: value for key, value in wish.content.items() if key != VOUCHED}
    vouched = template["content"].get(VOUCHED)
    takes_vouchers = version.restricted_join_rule and wish.membership is Membership.JOIN
    if takes_vouchers and isinstance(vouched, str):
        content[VOUCHED] = vouched
    return content


def _references(value: Any, version: RoomVersion) -> list[EventReference]:
    found = []
    for reference in value if isinstance(value, list) else []:
        match reference:
            case str(event_id) if version.event_format is not EventFormat.V1:
                found.append(EventReference(EventId(event_id), ""))
            case [str(event_id), dict(hashes)] if version.event_format is EventFormat.V1:
                # Other servers are known to leave the hash out.
                found.append(EventReference(EventId(event_id), str(hashes.get("sha256", ""))))
            case _:
                raise UnusableAnswer("it has malformed references")
    return found


def _depth(value: Any, version: RoomVersion) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UnusableAnswer("its depth is no number")
    return min(value, version.max_depth)
