"""Rooms whose policy server is asked about events, those that come and those that are sent."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from federation.inbound.own_events import OwnEvents
from homeserver.domain.errors import Forbidden
from homeserver.domain.event_signatures import sign_event
from homeserver.domain.events import Event
from homeserver.domain.identifiers import ServerName
from homeserver.domain.policy_servers import PolicyServer, is_recommended
from homeserver.ports.rooms.events import Standing
from homeserver.rooms.actor import NewEvent
from homeserver.services.rooms.acting_in_rooms import set_state
from tests.federation.inbound.receiving_server import ANNA, A, B, ReceivingServer
from tests.homeserver.domain.event_factory import ALICE, BOB, Branch

MESSAGE = "m.room.message"


def policy_of(here: ReceivingServer, server: ServerName = B) -> PolicyServer:
    return PolicyServer(server, here.policy.key.verify_key_base64)


def chosen(here: ReceivingServer, branch: Branch, server: ServerName = B) -> Event:
    """Let the room choose a policy server."""
    keys = {"ed25519": here.policy.key.verify_key_base64}
    return branch.send("m.room.policy", ALICE, {"via": server, "public_keys": keys}, "")


def sends_own(here: ReceivingServer) -> None:
    """Let the server ask about what its users send."""
    here.core.directory.recommend_by(OwnEvents(here.policy, here.judging, here.core.events))


async def test_what_the_policy_server_has_not_signed_is_shown_to_it(
    here: ReceivingServer, branch: Branch
) -> None:
    chosen(here, branch)
    await here.joins(branch)
    hello = branch.send(MESSAGE, ALICE, {"body": "hello"})
    signed = sign_event(branch.send(MESSAGE, BOB, {"body": "hi"}), B, here.policy.key)
    await here.receives(A, [hello])
    await here.receives(B, [signed])
    assert here.policy.asked == [hello.event_id]
    for stored in (await here.timeline(branch))[-2:]:
        assert stored.standing is Standing.ACCEPTED
        assert is_recommended(stored.event, policy_of(here))
    assert (await here.shown(branch))[-2:] == [hello.event_id, signed.event_id]


async def test_what_is_not_recommended_is_soft_failed(
    here: ReceivingServer, branch: Branch
) -> None:
    chosen(here, branch)
    await here.joins(branch)
    spam = branch.send(MESSAGE, BOB, {"body": "spam"})
    topic = branch.send("m.room.topic", ALICE, {"topic": "spam"}, "")
    reply = branch.send(MESSAGE, ALICE, {"body": "what was that?"})
    await here.receives(A, [spam, topic, reply])
    assert await here.standing(spam) is Standing.SOFT_FAILED
    assert await here.standing(topic) is Standing.SOFT_FAILED
    assert await here.standing(reply) is Standing.ACCEPTED
    shown = await here.shown(branch)
    assert spam.event_id not in shown
    assert shown[-1] == reply.event_id


async def test_nobody_is_asked_about_the_choice_of_a_policy_server(
    here: ReceivingServer, branch: Branch
) -> None:
    await here.joins(branch)
    before = branch.send(MESSAGE, ALICE, {"body": "spam"})
    choice = chosen(here, branch)
    after = branch.send(MESSAGE, ALICE, {"body": "spam"})
    await here.receives(A, [before, choice, after])
    standings = [await here.standing(event) for event in (before, choice, after)]
    assert standings == [Standing.ACCEPTED, Standing.ACCEPTED, Standing.SOFT_FAILED]


async def test_a_policy_server_without_users_in_the_room_is_none(
    here: ReceivingServer, branch: Branch
) -> None:
    sends_own(here)
    chosen(here, branch, ServerName("elsewhere.example"))
    actor = await here.joins(branch)
    spam = branch.send(MESSAGE, ALICE, {"body": "spam"})
    await here.receives(A, [spam])
    assert await here.standing(spam) is Standing.ACCEPTED
    await actor.append(NewEvent(MESSAGE, ANNA, {"body": "spam"}))
    assert here.policy.asked == []


async def test_what_is_sent_has_the_signature_of_the_policy_server(
    here: ReceivingServer, branch: Branch
) -> None:
    sends_own(here)
    chosen(here, branch)
    actor = await here.joins(branch)
    new = NewEvent(MESSAGE, ANNA, {"body": "hello"}, device_id="PHONE", txn_id="1")
    stored = await actor.append(new)
    assert (stored.device_id, stored.txn_id) == ("PHONE", "1")
    assert await set_state(actor, NewEvent("m.room.member", ANNA, {"membership": "leave"}, ANNA))
    await here.judged()
    for sent in (await here.timeline(branch))[-2:]:
        assert is_recommended(sent.event, policy_of(here))
        assert sent.event.event_id in here.policy.asked
    assert (await here.room(branch)).view.membership(ANNA) == "leave"


async def test_what_the_policy_server_refuses_is_not_sent(
    here: ReceivingServer, branch: Branch
) -> None:
    sends_own(here)
    chosen(here, branch)
    actor = await here.joins(branch)
    before = await here.shown(branch)
    with pytest.raises(Forbidden, match="looks like spam"):
        await actor.append(NewEvent(MESSAGE, ANNA, {"body": "spam"}))
    name = NewEvent("m.room.member", ANNA, {"membership": "join", "displayname": "spam"}, ANNA)
    with pytest.raises(Forbidden, match="looks like spam"):
        await set_state(actor, name)
    assert await here.shown(branch) == before


async def test_the_room_goes_on_while_the_policy_server_is_asked(
    here: ReceivingServer, branch: Branch
) -> None:
    sends_own(here)
    chosen(here, branch)
    actor = await here.joins(branch)
    here.policy.held = Deferred()
    sending = Deferred.fromCoroutine(actor.append(NewEvent(MESSAGE, ANNA, {"body": "slow"})))
    signed = sign_event(branch.send(MESSAGE, ALICE, {"body": "fast"}), B, here.policy.key)
    await here.receives(A, [signed])
    assert (await here.shown(branch))[-1] == signed.event_id
    here.policy.held.callback(None)
    stored = await sending
    assert (await here.shown(branch))[-2:] == [signed.event_id, stored.event.event_id]


async def test_what_is_forbidden_by_the_time_it_is_recommended_is_not_sent(
    here: ReceivingServer, branch: Branch
) -> None:
    sends_own(here)
    chosen(here, branch)
    actor = await here.joins(branch)
    here.policy.held = Deferred()
    sending = Deferred.fromCoroutine(actor.append(NewEvent(MESSAGE, ANNA, {"body": "slow"})))
    ban = sign_event(branch.ban(ALICE, ANNA), B, here.policy.key)
    await here.receives(A, [ban])
    here.policy.held.callback(None)
    with pytest.raises(Forbidden):
        await sending
    assert (await here.shown(branch))[-1] == ban.event_id
