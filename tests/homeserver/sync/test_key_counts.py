"""How many keys are left, as syncs tell it."""

from __future__ import annotations

from tests.homeserver.encryption import EncryptionServer, one_time_keys

CURVE = "signed_curve25519"


async def test_every_answer_tells_what_is_left(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    before = await phone.sync()
    assert before.body == {
        "device_one_time_keys_count": {CURVE: 0},
        "device_unused_fallback_key_types": [],
    }

    await phone.uploads(
        one_time_keys=one_time_keys("1", "2"), fallback_keys=one_time_keys("F", fallback=True)
    )

    expected = {
        "device_one_time_keys_count": {CURVE: 2},
        "device_unused_fallback_key_types": [CURVE],
    }
    answer = await phone.sync(before.next_batch)
    assert answer.body == expected
    assert answer.is_news
    again = await phone.sync(answer.next_batch)
    assert again.body == expected
    assert not again.is_news


async def test_a_claim_wakes_the_device_and_nobody_else(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    tablet = await encryption.device("bob", "TABLET")
    await desk.uploads(one_time_keys=one_time_keys("1", "2"))
    tokens = {device: await device.is_up_to_date() for device in (phone, desk, tablet)}
    waiter = (await encryption.sessions.of(desk.user_id)).wait()

    body = {"one_time_keys": {desk.user_id: {desk.device_id: CURVE}}}
    await phone.post("/keys/claim", body)
    encryption.clock.advance(0)

    assert waiter.called
    assert await desk.has_news(tokens[desk])
    assert not await tablet.has_news(tokens[tablet])
    assert not await phone.has_news(tokens[phone])
    answer = await desk.sync(tokens[desk])
    assert answer.body["device_one_time_keys_count"] == {CURVE: 1}
    assert not await desk.has_news(answer.next_batch)


async def test_an_idle_answer_tells_it_without_a_query(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    await phone.uploads(one_time_keys=one_time_keys("1"))
    await phone.is_up_to_date()
    session = await encryption.sessions.of(phone.user_id)

    assert encryption.updates.standing(session, phone.device_id) == [
        b'"device_one_time_keys_count":{"signed_curve25519":1}',
        b'"device_unused_fallback_key_types":[]',
    ]
    assert encryption.updates.standing(session, None) == []


async def test_the_first_look_of_a_session_is_no_news_by_itself(
    encryption: EncryptionServer,
) -> None:
    phone = await encryption.device("alice")
    await phone.uploads(one_time_keys=one_time_keys("1"))
    token = f"s{encryption.log.published[0]}"

    assert await phone.has_news(token)
    assert not (await phone.sync(token)).is_news
    assert not await phone.has_news(token)
