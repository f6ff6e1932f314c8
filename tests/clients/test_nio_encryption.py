"""matrix-nio with end-to-end encryption: devices are verified, keys are found again and last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nio  # type: ignore[import-untyped]
import pytest_asyncio

from tests.clients.nio_people import EncryptedPerson, Lobby, expect


@pytest_asyncio.fixture
async def lobby(homeserver: str) -> AsyncIterator[Lobby]:
    opened = Lobby(homeserver)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def alice(lobby: Lobby) -> EncryptedPerson:
    return await lobby.register("alice")


@pytest_asyncio.fixture
async def bob(lobby: Lobby) -> EncryptedPerson:
    return await lobby.register("bob")


@pytest_asyncio.fixture
async def room_id(alice: EncryptedPerson, bob: EncryptedPerson) -> str:
    """An encrypted room of Alice and Bob, who know each other's devices."""
    room_id = await alice.create_room()
    await alice.invite(room_id, bob.user_id)
    await bob.join(room_id)
    await _meet_each_other(room_id, alice, bob)
    return room_id


async def test_equal_emoji_verify_both_devices(
    alice: EncryptedPerson, bob: EncryptedPerson, room_id: str
) -> None:
    transaction_id = await _show_emoji(alice, bob)
    assert len(_sas(alice, transaction_id).get_emoji()) == 7
    assert _sas(alice, transaction_id).get_emoji() == _sas(bob, transaction_id).get_emoji()
    assert not _device_of(bob, alice).verified

    await _confirm(transaction_id, alice, bob)
    assert _device_of(bob, alice).verified
    assert _device_of(alice, bob).verified


async def test_emoji_that_differ_verify_nothing(
    alice: EncryptedPerson, bob: EncryptedPerson, room_id: str
) -> None:
    transaction_id = await _show_emoji(alice, bob)
    told = _next_to_device(alice, nio.KeyVerificationCancel)
    answer = await bob.client.cancel_key_verification(transaction_id, reject=True)
    expect(answer, nio.ToDeviceResponse)

    cancellation = await told
    assert (cancellation.transaction_id, cancellation.code) == (transaction_id, "m.mismatched_sas")
    assert not _device_of(bob, alice).verified
    assert not _device_of(alice, bob).verified


async def test_a_new_device_is_given_the_key_of_an_old_message_when_verified(
    alice: EncryptedPerson, bob: EncryptedPerson, room_id: str, lobby: Lobby
) -> None:
    event_id = await bob.say(room_id, "Before the phone")
    assert await alice.read(room_id, event_id) == "Before the phone"
    phone = await lobby.log_in(alice.user_id)
    await _meet_each_other(room_id, alice, phone)
    message = await phone.receives(event_id, nio.MegolmEvent)
    assert await phone.read(room_id, await alice.say(room_id, "And after")) == "And after"

    asked = _next_to_device(alice, nio.RoomKeyRequest)
    given = _next_to_device(phone, nio.ForwardedRoomKeyEvent)
    expect(await phone.client.request_room_key(message), nio.RoomKeyRequestResponse)
    request = await asked
    assert request.requesting_device_id == phone.device_id

    await _confirm(await _show_emoji(alice, phone), alice, phone)
    assert alice.client.continue_key_share(request)
    await alice.client.send_to_device_messages()
    assert (await given).session_id == message.session_id
    assert phone.client.decrypt_event(message).body == "Before the phone"


async def test_who_was_away_reads_everything_on_return(
    alice: EncryptedPerson, lobby: Lobby, homeserver: str, tmp_path: Path
) -> None:
    bob = await lobby.register("bob", keys=tmp_path)
    room_id = await alice.create_room()
    await alice.invite(room_id, bob.user_id)
    await bob.join(room_id)
    await _meet_each_other(room_id, alice, bob)
    await bob.go_offline()

    said = {}
    for number in range(20):
        body = f"message {number}"
        said[await alice.say(room_id, body)] = body
        alice.client.invalidate_outbound_session(room_id)
    bob = await lobby.come_back(bob, keys=tmp_path)
    for event_id, body in said.items():
        assert await bob.read(room_id, event_id) == body


async def test_one_time_keys_are_made_anew_before_they_run_out(
    alice: EncryptedPerson, bob: EncryptedPerson, room_id: str
) -> None:
    enough = bob.client.olm.account.max_one_time_keys
    await bob.sync_until(lambda: _keys_left(bob) == enough or None, "a full store of keys")
    await bob.go_offline()
    claimed = [await _claim_key(alice, bob) for _ in range(enough - 1)]
    assert len(set(claimed)) == len(claimed), "a one-time key was given out twice"

    await bob.come_online()
    await bob.sync_until(lambda: _keys_left(bob) == enough or None, "new keys")
    claimed += [await _claim_key(alice, bob) for _ in range(2)]
    assert len(set(claimed)) == enough + 1


async def _meet_each_other(room_id: str, one: EncryptedPerson, other: EncryptedPerson) -> None:
    await one.meet(room_id, other.user_id, other.device_id)
    await other.meet(room_id, one.user_id, one.device_id)


async def _show_emoji(one: EncryptedPerson, other: EncryptedPerson) -> str:
    """Start a verification and go on until both see emoji; returns its transaction id."""
    asked = _next_to_device(other, nio.KeyVerificationStart)
    answer = await one.client.start_key_verification(_device_of(other, one))
    expect(answer, nio.ToDeviceResponse)
    transaction_id: str = (await asked).transaction_id
    answer = await other.client.accept_key_verification(transaction_id)
    expect(answer, nio.ToDeviceResponse)
    for person in (one, other):
        await person.sync_until(
            lambda who=person: _sas(who, transaction_id).established_sas,  # type: ignore[misc]
            "the emoji",
        )
    return transaction_id


async def _confirm(transaction_id: str, *people: EncryptedPerson) -> None:
    """Say on both sides that the emoji are the same, and wait until that has been heard."""
    for person in people:
        answer = await person.client.confirm_short_auth_string(transaction_id)
        expect(answer, nio.ToDeviceResponse)
    for person in people:
        await person.sync_until(
            lambda who=person: _sas(who, transaction_id).verified or None,  # type: ignore[misc]
            "the other side's confirmation",
        )


def _sas(person: EncryptedPerson, transaction_id: str) -> nio.crypto.Sas:
    return person.client.key_verifications[transaction_id]


def _device_of(person: EncryptedPerson, seen_by: EncryptedPerson) -> nio.crypto.OlmDevice:
    device = seen_by.device(person.user_id, person.device_id)
    assert device is not None
    return device


async def _claim_key(person: EncryptedPerson, other: EncryptedPerson) -> str:
    """Claim a one-time key of somebody's device, as to start a session; returns the key's id."""
    answer = await person.client.keys_claim({other.user_id: [other.device_id]})
    keys = expect(answer, nio.KeysClaimResponse).one_time_keys[other.user_id][other.device_id]
    (key_id,) = keys
    return str(key_id)


def _keys_left(person: EncryptedPerson) -> int | None:
    """How many one-time keys the server has said to have."""
    count: int | None = person.client.olm.uploaded_key_count
    return count


def _next_to_device(
    person: EncryptedPerson, event_type: type[nio.ToDeviceEvent]
) -> asyncio.Future[nio.ToDeviceEvent]:
    """The next message of a type that comes to a person's device."""
    arrival: asyncio.Future[nio.ToDeviceEvent] = asyncio.get_running_loop().create_future()

    async def keep(event: nio.ToDeviceEvent) -> None:
        if not arrival.done():
            arrival.set_result(event)

    person.client.add_to_device_callback(keep, event_type)
    return arrival
