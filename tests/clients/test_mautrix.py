"""mautrix for Python: two people chat through it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from mautrix.api import Method, Path
from mautrix.client import Client, InternalEventType
from mautrix.errors import MForbidden
from mautrix.types import (
    ContentURI,
    Event,
    EventID,
    EventType,
    Membership,
    MessageType,
    PaginationDirection,
    RoomID,
    TextMessageEventContent,
    UserID,
)

from tests.clients.media_samples import ALL_MEDIA, PICTURE, MediaSample

PASSWORD = "quiet water runs deep"
PATIENCE = 10.0
"""Seconds that an expected event may take to come over /sync."""

WATCHED = (
    EventType.ROOM_MESSAGE,
    EventType.ROOM_MEMBER,
    EventType.ROOM_REDACTION,
    EventType.REACTION,
    EventType.TYPING,
    EventType.RECEIPT,
)


class Person:
    """Somebody with one mautrix client that syncs in the background."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.badges: dict[str, tuple[int, int]] = {}
        self._events: list[Event] = []
        self._news = asyncio.Condition()
        for event_type in WATCHED:
            client.add_event_handler(event_type, self._keep)
        client.add_event_handler(InternalEventType.SYNC_SUCCESSFUL, self._keep_badges)

    @property
    def user_id(self) -> UserID:
        return self.client.mxid

    async def send(self, room_id: RoomID, content: Any) -> EventID:
        """Send a message whose content mautrix has no class for."""
        return await self.client.send_message_event(room_id, EventType.ROOM_MESSAGE, content)

    async def _keep(self, event: Event) -> None:
        async with self._news:
            self._events.append(event)
            self._news.notify_all()

    async def _keep_badges(self, sync: dict[str, Any]) -> None:
        async with self._news:
            for room_id, room in sync["data"].get("rooms", {}).get("join", {}).items():
                if unread := room.get("unread_notifications"):
                    badge = (unread["notification_count"], unread["highlight_count"])
                    self.badges[room_id] = badge
            self._news.notify_all()

    async def sees(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at whenever something has arrived."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(condition)

    async def receives(self, matches: Callable[[Any], bool]) -> Any:
        """The first event that matches, once it has arrived."""
        await self.sees(lambda: any(map(matches, self._events)))
        return next(filter(matches, self._events))

    async def receives_event(self, event_id: EventID) -> Any:
        return await self.receives(lambda event: getattr(event, "event_id", None) == event_id)


Register: TypeAlias = Callable[[str], Awaitable[Person]]


@pytest_asyncio.fixture
async def register(homeserver: str) -> AsyncIterator[Register]:
    clients: list[Client] = []

    async def register_person(name: str) -> Person:
        client = Client(base_url=homeserver)
        clients.append(client)
        request = {
            "username": f"{name}-{uuid.uuid4().hex[:8]}",
            "password": PASSWORD,
            "auth": {"type": "m.login.dummy"},
            "inhibit_login": True,
        }
        answer = await client.api.request(Method.POST, Path.v3.register, request)
        await client.login(answer["user_id"], password=PASSWORD, device_name="laptop")
        person = Person(client)
        client.start(None)
        return person

    yield register_person
    for client in clients:
        client.stop()
        await client.api.session.close()


@pytest_asyncio.fixture
async def alice(register: Register) -> Person:
    return await register("alice")


@pytest_asyncio.fixture
async def bob(register: Register) -> Person:
    return await register("bob")


@pytest_asyncio.fixture
async def room_id(alice: Person, bob: Person) -> RoomID:
    """A room of Alice's, where Bob has followed her invitation."""
    room_id = await alice.client.create_room(name="Tea", invitees=[bob.user_id])
    await bob.receives(is_membership(bob, Membership.INVITE))
    await bob.client.join_room(room_id)
    for person in (alice, bob):
        await person.receives(is_membership(bob, Membership.JOIN))
    return room_id


def is_membership(person: Person, membership: Membership) -> Callable[[Any], bool]:
    """Whether an event says that ``person`` is invited, joined, ..."""
    return lambda event: (
        event.type == EventType.ROOM_MEMBER
        and event.state_key == person.user_id
        and event.content.membership == membership
    )


async def test_a_device_logs_in_with_the_password(alice: Person) -> None:
    whoami = await alice.client.whoami()
    assert (whoami.user_id, whoami.device_id) == (alice.user_id, alice.client.device_id)


async def test_a_wrong_password_does_not_log_in(alice: Person, homeserver: str) -> None:
    intruder = Client(base_url=homeserver)
    with pytest.raises(MForbidden):
        await intruder.login(alice.user_id, password="a guess")
    await intruder.api.session.close()


async def test_an_invited_person_is_listed_after_joining(
    alice: Person, bob: Person, room_id: RoomID
) -> None:
    assert set(await bob.client.get_joined_members(room_id)) == {alice.user_id, bob.user_id}
    assert await bob.client.get_joined_rooms() == [room_id]


async def test_text_arrives_on_both_sides(alice: Person, bob: Person, room_id: RoomID) -> None:
    question = await alice.client.send_text(room_id, "喝茶吗? ☕")
    assert (await bob.receives_event(question)).content.body == "喝茶吗? ☕"
    answer = await bob.client.send_text(room_id, "Gladly", html="<b>Gladly</b>")
    assert (await alice.receives_event(answer)).content.formatted_body == "<b>Gladly</b>"


@pytest.mark.parametrize("sample", ALL_MEDIA, ids=lambda sample: sample.filename)
async def test_media_arrives_byte_for_byte(
    alice: Person, bob: Person, room_id: RoomID, sample: MediaSample
) -> None:
    uri = await _upload(alice, sample)
    event_id = await alice.send(room_id, sample.content(uri))

    content = (await bob.receives_event(event_id)).content
    assert content.msgtype == MessageType(sample.msgtype)
    assert content.info.size == len(sample.body)
    assert {mark: content[mark] for mark in sample.marks} == sample.marks
    assert await bob.client.download_media(content.url) == sample.body


async def test_a_picture_has_a_thumbnail(alice: Person) -> None:
    uri = await _upload(alice, PICTURE)
    thumbnail = await alice.client.download_thumbnail(uri, width=64, height=64)
    assert 0 < len(thumbnail) < len(PICTURE.body)


async def test_a_reply_names_what_it_answers(alice: Person, bob: Person, room_id: RoomID) -> None:
    question = await alice.client.send_text(room_id, "When?")
    content = TextMessageEventContent(msgtype=MessageType.TEXT, body="At five")
    content.set_reply(await bob.receives_event(question))
    reply = await bob.client.send_message(room_id, content)
    assert (await alice.receives_event(reply)).content.get_reply_to() == question


async def test_a_reaction_arrives_at_its_message(
    alice: Person, bob: Person, room_id: RoomID
) -> None:
    message = await alice.client.send_text(room_id, "Cake, too")
    reaction = await bob.client.react(room_id, message, "🍰")
    relation = (await alice.receives_event(reaction)).content.relates_to
    assert (relation.event_id, relation.key) == (message, "🍰")


async def test_an_edit_brings_the_new_text(alice: Person, bob: Person, room_id: RoomID) -> None:
    message = await alice.client.send_text(room_id, "At fvie")
    content = TextMessageEventContent(msgtype=MessageType.TEXT, body="At five")
    content.set_edit(message)
    edit = await alice.client.send_message(room_id, content)
    received = (await bob.receives_event(edit)).content
    assert (received.get_edit(), received.body) == (message, "At five")


async def test_a_recalled_message_loses_its_text(
    alice: Person, bob: Person, room_id: RoomID
) -> None:
    message = await alice.client.send_text(room_id, "Oops")
    await bob.receives_event(message)
    redaction = await alice.client.redact(room_id, message, reason="wrong room")

    received = await bob.receives_event(redaction)
    assert (received.redacts, received.content.reason) == (message, "wrong room")
    recalled: Any = await bob.client.get_event(room_id, message)
    assert recalled.content.serialize() == {}


async def test_others_see_who_is_typing(alice: Person, bob: Person, room_id: RoomID) -> None:
    await alice.client.set_typing(room_id, timeout=20_000)
    await bob.receives(lambda event: _typing(event) == [alice.user_id])
    await alice.client.set_typing(room_id, timeout=0)
    await bob.receives(lambda event: _typing(event) == [])


async def test_others_see_what_has_been_read(alice: Person, bob: Person, room_id: RoomID) -> None:
    message = await alice.client.send_text(room_id, "Did you see this?")
    await bob.receives_event(message)
    await bob.client.send_receipt(room_id, message)
    await alice.receives(lambda event: event.type == EventType.RECEIPT and message in event.content)


async def test_unread_counts_grow_and_vanish_when_read(
    alice: Person, bob: Person, room_id: RoomID
) -> None:
    for body in ("one", "two", "three"):
        await alice.client.send_text(room_id, body)
    mention = {
        "msgtype": "m.text",
        "body": "four, and this is for you",
        "m.mentions": {"user_ids": [bob.user_id]},
    }
    last = await alice.send(room_id, mention)
    await bob.sees(lambda: bob.badges[room_id] == (4, 1))
    await bob.client.set_fully_read_marker(room_id, last, last)
    await bob.sees(lambda: bob.badges[room_id] == (0, 0))


async def test_history_is_paged_back_to_the_beginning(
    alice: Person, bob: Person, room_id: RoomID
) -> None:
    said = [await alice.client.send_text(room_id, f"message {number}") for number in range(25)]
    events: list[Any] = []
    token = None
    while True:
        page: Any = await bob.client.get_messages(
            room_id, PaginationDirection.BACKWARD, from_token=token, limit=10
        )
        events += page.events
        token = page.end
        if token is None:
            break
    assert [event.event_id for event in reversed(events)][-25:] == said
    assert events[-1].type == EventType.ROOM_CREATE


def _typing(event: Any) -> list[UserID] | None:
    """Who types, when the event is a typing notice."""
    return event.content.user_ids if event.type == EventType.TYPING else None


async def _upload(person: Person, sample: MediaSample) -> ContentURI:
    return await person.client.upload_media(
        sample.body, mime_type=sample.mimetype, filename=sample.filename
    )
