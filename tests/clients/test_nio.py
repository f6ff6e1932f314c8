"""matrix-nio: two people chat through it."""

from __future__ import annotations

import io
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import nio  # type: ignore[import-untyped]
import pytest
import pytest_asyncio

from tests.clients.media_samples import ALL_MEDIA, PICTURE, MediaSample
from tests.clients.nio_people import PASSWORD, Person, expect

Register: TypeAlias = Callable[[str], Awaitable[Person]]


@pytest_asyncio.fixture
async def register(homeserver: str) -> AsyncIterator[Register]:
    clients: list[nio.AsyncClient] = []

    async def register_person(name: str) -> Person:
        client = nio.AsyncClient(homeserver)
        clients.append(client)
        answer = await client.register(f"{name}-{uuid.uuid4().hex[:8]}", PASSWORD)
        expect(answer, nio.RegisterResponse)
        return Person(client)

    yield register_person
    for client in clients:
        await client.close()


@pytest_asyncio.fixture
async def alice(register: Register) -> Person:
    return await register("alice")


@pytest_asyncio.fixture
async def bob(register: Register) -> Person:
    return await register("bob")


@pytest_asyncio.fixture
async def room_id(alice: Person, bob: Person) -> str:
    """A room of Alice's, where Bob has followed her invitation."""
    created = await alice.client.room_create(name="Tea", invite=[bob.client.user_id])
    room_id: str = expect(created, nio.RoomCreateResponse).room_id
    await bob.sync_until(lambda: bob.client.invited_rooms.get(room_id), "the invitation")
    expect(await bob.client.join(room_id), nio.JoinResponse)
    for person in (alice, bob):
        await person.sync_until(
            lambda who=person: who.client.rooms.get(room_id),  # type: ignore[misc]
            "the room",
        )
    return room_id


async def test_a_second_device_logs_in_with_the_password(alice: Person, homeserver: str) -> None:
    phone = nio.AsyncClient(homeserver, alice.client.user_id)
    answer = expect(await phone.login(PASSWORD, device_name="phone"), nio.LoginResponse)
    assert answer.user_id == alice.client.user_id
    assert answer.device_id != alice.client.device_id
    expect(await phone.logout(), nio.LogoutResponse)
    await phone.close()


async def test_a_wrong_password_does_not_log_in(alice: Person, homeserver: str) -> None:
    intruder = nio.AsyncClient(homeserver, alice.client.user_id)
    answer = expect(await intruder.login("a guess"), nio.LoginError)
    assert answer.status_code == "M_FORBIDDEN"
    await intruder.close()


async def test_an_invited_person_sees_the_room_by_its_name(
    alice: Person, bob: Person, room_id: str
) -> None:
    room = bob.room(room_id)
    assert room.name == "Tea"
    assert set(room.users) == {alice.client.user_id, bob.client.user_id}


async def test_text_arrives_on_both_sides(alice: Person, bob: Person, room_id: str) -> None:
    question = await alice.say(room_id, "喝茶吗? ☕")
    assert (await bob.receives(question, nio.RoomMessageText)).body == "喝茶吗? ☕"
    answer = await bob.say(room_id, "Gladly")
    assert (await alice.receives(answer, nio.RoomMessageText)).sender == bob.client.user_id


@pytest.mark.parametrize("sample", ALL_MEDIA, ids=lambda sample: sample.filename)
async def test_media_arrives_byte_for_byte(
    alice: Person, bob: Person, room_id: str, sample: MediaSample
) -> None:
    uri = await _upload(alice, sample)
    event_id = await alice.send(room_id, sample.content(uri))

    received = await bob.receives(event_id, nio.RoomMessageMedia)
    assert received.source["content"] == sample.content(uri)
    file = expect(await bob.client.download(mxc=received.url), nio.MemoryDownloadResponse)
    assert file.body == sample.body
    assert file.content_type == sample.mimetype
    assert file.filename == sample.filename


async def test_a_picture_has_a_thumbnail(alice: Person) -> None:
    uri = await _upload(alice, PICTURE)
    server_name, media_id = uri.removeprefix("mxc://").split("/")
    answer = await alice.client.thumbnail(server_name, media_id, width=64, height=64)
    thumbnail = expect(answer, nio.ThumbnailResponse)
    assert thumbnail.content_type.startswith("image/")
    assert len(thumbnail.body) > 0


async def test_a_reply_names_what_it_answers(alice: Person, bob: Person, room_id: str) -> None:
    question = await alice.say(room_id, "When?")
    reply = await bob.send(
        room_id,
        {
            "msgtype": "m.text",
            "body": "At five",
            "m.relates_to": {"m.in_reply_to": {"event_id": question}},
        },
    )
    received = await alice.receives(reply, nio.RoomMessageText)
    assert received.source["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == question


async def test_a_reaction_arrives_at_its_message(alice: Person, bob: Person, room_id: str) -> None:
    message = await alice.say(room_id, "Cake, too")
    relation = {"rel_type": "m.annotation", "event_id": message, "key": "🍰"}
    reaction = await bob.send(room_id, {"m.relates_to": relation}, "m.reaction")
    received = await alice.receives(reaction, nio.ReactionEvent)
    assert (received.reacts_to, received.key) == (message, "🍰")


async def test_an_edit_brings_the_new_text(alice: Person, bob: Person, room_id: str) -> None:
    message = await alice.say(room_id, "At fvie")
    edit = await alice.send(
        room_id,
        {
            "msgtype": "m.text",
            "body": "* At five",
            "m.new_content": {"msgtype": "m.text", "body": "At five"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": message},
        },
    )
    received = await bob.receives(edit, nio.RoomMessageText)
    assert received.source["content"]["m.new_content"]["body"] == "At five"
    original = await bob.client.room_get_event(room_id, message)
    event = expect(original, nio.RoomGetEventResponse).event
    assert event.source["unsigned"]["m.relations"]["m.replace"]["event_id"] == edit


async def test_a_recalled_message_loses_its_text(alice: Person, bob: Person, room_id: str) -> None:
    message = await alice.say(room_id, "Oops")
    await bob.receives(message, nio.RoomMessageText)
    answer = await alice.client.room_redact(room_id, message, reason="wrong room")
    redaction = expect(answer, nio.RoomRedactResponse).event_id

    assert (await bob.receives(redaction, nio.RedactionEvent)).redacts == message
    again = await bob.client.room_get_event(room_id, message)
    event = expect(again, nio.RoomGetEventResponse).event
    assert isinstance(event, nio.RedactedEvent)
    assert event.source["content"] == {}
    assert event.reason == "wrong room"


async def test_others_see_who_is_typing(alice: Person, bob: Person, room_id: str) -> None:
    room = bob.room(room_id)
    expect(await alice.client.room_typing(room_id), nio.RoomTypingResponse)
    await bob.sync_until(
        lambda: True if alice.client.user_id in room.typing_users else None, "Alice typing"
    )
    expect(await alice.client.room_typing(room_id, typing_state=False), nio.RoomTypingResponse)
    await bob.sync_until(lambda: None if room.typing_users else True, "Alice stopping")


async def test_others_see_what_has_been_read(alice: Person, bob: Person, room_id: str) -> None:
    message = await alice.say(room_id, "Did you see this?")
    await bob.receives(message, nio.RoomMessageText)
    answer = await bob.client.room_read_markers(room_id, message, message)
    expect(answer, nio.RoomReadMarkersResponse)
    receipt = await alice.sync_until(
        lambda: alice.room(room_id).read_receipts.get(bob.client.user_id), "Bob's receipt"
    )
    assert receipt.event_id == message


async def test_unread_counts_grow_and_vanish_when_read(
    alice: Person, bob: Person, room_id: str
) -> None:
    room = bob.room(room_id)
    for body in ("one", "two", "three"):
        last = await alice.say(room_id, body)
    mention = {
        "msgtype": "m.text",
        "body": "four, and this is for you",
        "m.mentions": {"user_ids": [bob.client.user_id]},
    }
    last = await alice.send(room_id, mention)

    def badge(notifications: int, highlights: int) -> Callable[[], bool | None]:
        expected = (notifications, highlights)
        return lambda: (room.unread_notifications, room.unread_highlights) == expected or None

    await bob.receives(last, nio.RoomMessageText)
    await bob.sync_until(badge(4, 1), "four unread messages")
    answer = await bob.client.update_receipt_marker(room_id, last)
    expect(answer, nio.UpdateReceiptMarkerResponse)
    await bob.sync_until(badge(0, 0), "no unread message")


async def test_history_is_paged_back_to_the_beginning(
    alice: Person, bob: Person, room_id: str
) -> None:
    said = [await alice.say(room_id, f"message {number}") for number in range(25)]
    await bob.receives(said[-1], nio.RoomMessageText)
    pages = 0
    events: list[nio.Event] = []
    start: str | None = None
    while True:
        answer = await bob.client.room_messages(room_id, start=start, limit=10)
        page = expect(answer, nio.RoomMessagesResponse)
        pages += 1
        events += page.chunk
        start = page.end
        if not start:
            break
    oldest_first = [event.event_id for event in reversed(events)]
    assert oldest_first[-25:] == said
    assert isinstance(events[-1], nio.RoomCreateEvent)
    assert pages >= 4


async def _upload(person: Person, sample: MediaSample) -> str:
    answer, _ = await person.client.upload(
        io.BytesIO(sample.body),
        content_type=sample.mimetype,
        filename=sample.filename,
        filesize=len(sample.body),
    )
    uri: str = expect(answer, nio.UploadResponse).content_uri
    return uri
