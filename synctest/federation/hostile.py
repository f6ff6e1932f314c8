"""What a hostile server does to another one in a room that both are in."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web
from nacl.signing import SigningKey

from synctest.connection import Answer, JsonObject, RequestFailed
from synctest.failure import ScenarioFailed
from synctest.federation.deeds import see_event
from synctest.federation.pdus import event_id_of, finished, hashed, signed
from synctest.federation.raid import Raid, reaches
from synctest.federation.scenario import Figures
from synctest.federation.signed_json import Signer, canonical_json, without

MOST_REQUESTS = 400
"""How often a server may ask the attacker for something because of one event."""

TIME_FOR_FORKS = 90.0
"""Seconds until the last of thousands of events has arrived."""

LOST_ROOT = "$" + "A" * 43


async def bad_signatures(raid: Raid) -> Figures:
    """Signatures that are wrong, by another key, of another event, missing, or nonsense."""
    room, name = raid.room, raid.attacker.name
    good = raid.attacker.finished(room, raid.attacker.draft(room, "true"))
    impostor = Signer(name, SigningKey.generate(), raid.attacker.signer.key_id)
    unknown = Signer(name, SigningKey.generate(), "ed25519:unknown")
    other = raid.attacker.finished(room, raid.attacker.draft(room, "other"))
    key_id = raid.attacker.signer.key_id

    def bare() -> JsonObject:
        # Each is another event: what is refused under one signature may come true under another.
        return hashed(raid.attacker.draft(room, f"forged {secrets.token_hex(4)}"))

    signatures: list[Any] = [
        other["signatures"],
        {},
        {name: {}},
        {name: {key_id: "!"}},
        {name: {key_id: "A" * 86}},
        {name: {key_id: 5}},
        {name: []},
        [],
        None,
    ]
    forged = [
        signed(bare(), room.version, impostor),
        signed(bare(), room.version, unknown),
        *({**bare(), "signatures": each} for each in signatures),
        bare(),
    ]
    await _send_forged(raid, forged)
    await raid.attacker.send(raid.target.name, [good])
    await see_event(raid.owner, room.room_id, room.take(good))
    return {"forged": len(forged)}


async def wrong_hashes(raid: Raid) -> Figures:
    """Content that its hash does not fit: such an event stands, and says nothing."""
    room = raid.room
    pdu = raid.attacker.finished(room, raid.attacker.draft(room, "what was hashed"))
    changed = {**pdu, "content": {"msgtype": "m.text", "body": "what was not"}}
    event_id = room.take(changed)
    await raid.attacker.send(raid.target.name, [changed])
    event = await see_event(raid.owner, room.room_id, event_id)
    if event["content"]:
        raise ScenarioFailed(f"an event with the wrong hash was not redacted: {event}")
    return {}


async def forged_senders(raid: Raid) -> Figures:
    """Events and ephemeral events in the name of people of other servers."""
    room, attacker, owner = raid.room, raid.attacker, raid.owner
    drafts = [
        attacker.draft(room, "forged", sender=sender, auth_events=room.auth_events(sender))
        for sender in (owner.user_id, "@nobody:127.0.0.1:1", f"@absent:{attacker.name}", "mallory")
    ]
    ban = {
        "type": "m.room.member",
        "state_key": owner.user_id,
        "content": {"membership": "ban"},
    }
    drafts.append(attacker.draft(room, "", **ban))
    levels = {"type": "m.room.power_levels", "state_key": "", "content": {"users_default": 100}}
    drafts.append(attacker.draft(room, "", **levels))
    drafts.append(attacker.draft(room, "", room_id="!other:" + attacker.name))
    drafts.append(attacker.draft(room, "", auth_events=[]))
    forged = [attacker.finished(room, draft) for draft in drafts]
    await _send_forged(raid, forged)
    edus = [
        {
            "edu_type": "m.typing",
            "content": {"room_id": room.room_id, "user_id": owner.user_id, "typing": True},
        },
        {
            "edu_type": "m.receipt",
            "content": {room.room_id: {"m.read": {owner.user_id: {"event_ids": ["$x"]}}}},
        },
        {
            "edu_type": "m.presence",
            "content": {"push": [{"user_id": owner.user_id, "presence": "busy", "last": "?"}]},
        },
        {
            "edu_type": "m.device_list_update",
            "content": {"user_id": owner.user_id, "device_id": "X", "stream_id": 1},
        },
        *({"edu_type": kind, "content": content} for kind in _EDUS for content in _NONSENSE),
    ]
    for edu in edus:
        await attacker.send(raid.target.name, [], [edu])
    return {"forged": len(forged), "EDUs": len(edus)}


_EDUS = (
    "m.typing",
    "m.receipt",
    "m.presence",
    "m.direct_to_device",
    "m.device_list_update",
    "m.signing_key_update",
    "org.example.unknown",
)
_NONSENSE: Sequence[Any] = (
    {},
    {"room_id": 1, "user_id": [], "typing": "x"},
    {"push": [1, {}, {"user_id": 5}]},
    {"!room": {"m.read": {"@x": 3}}},
    {"sender": {}, "messages": [], "type": 4, "message_id": "x" * 100_000},
    {"user_id": "@a:b", "device_id": 5, "stream_id": "one"},
)


async def malformed_events(raid: Raid) -> Figures:
    """Events that are none, in one transaction with good ones, which arrive."""
    room, attacker = raid.room, raid.attacker

    def named(what: str) -> JsonObject:
        return attacker.draft(room, f"malformed: {what}")

    draft = named("too much")
    wrong: list[Any] = [
        *({**named(f"{key} is {value!r:.40}"), key: value} for key, value in _WRONG_VALUES),
        *(without(named(f"without {key}"), (key,)) for key in draft),
        {**draft, "prev_events": [f"${number:043}" for number in range(100)]},
        {**draft, "auth_events": [f"${number:043}" for number in range(100)]},
        {**draft, "content": {"body": "x" * 70_000}},
        {**draft, "state_key": "x" * 300},
    ]
    pdus: list[Any] = [finished(each, room.version, attacker.signer) for each in wrong]
    pdus += [1, None, "event", [], {}, {"room_id": room.room_id}, {"room_id": {}}]
    raid.forged.extend(
        event_id_of(pdu, room.version) for pdu in pdus if isinstance(pdu, dict) and "content" in pdu
    )
    for start in range(0, len(pdus), 20):
        good = attacker.finished(room, attacker.draft(room, f"good, after {start}"))
        await attacker.send(raid.target.name, [*pdus[start : start + 20], good])
        await see_event(raid.owner, room.room_id, room.take(good))
    return {"malformed": len(pdus)}


_WRONG_VALUES: Sequence[tuple[str, Any]] = (
    ("type", 1),
    ("type", "x" * 300),
    ("sender", "nobody"),
    ("sender", None),
    ("sender", "@" + "x" * 300 + ":example.org"),
    ("depth", -1),
    ("depth", "1"),
    ("depth", 1.5),
    ("depth", 2**70),
    ("origin_server_ts", 2**60),
    ("origin_server_ts", "now"),
    ("content", {"number": 1.5}),
    ("content", {"number": 2**53}),
    ("prev_events", {}),
    ("prev_events", [1]),
    ("prev_events", []),
    ("auth_events", "all"),
    ("auth_events", [["$x", {"sha256": "x"}]]),
    ("auth_events", [LOST_ROOT]),
    ("state_key", 5),
    ("room_id", None),
)


async def malformed_bodies(raid: Raid) -> Figures:
    """Transactions that are no JSON, too deep, too long, or too many."""
    room, attacker = raid.room, raid.attacker
    one = attacker.finished(room, attacker.draft(room, "one of many"))
    bodies: list[bytes] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"pdus":[{"content":"\xc3\x28"}]}',
        b'{"pdus":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"pdus":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
        b'{"pdus":[{"content":"\\ud800"}]}',
        b'{"pdus":[1e400,NaN,Infinity,-0.0]}',
        b'{"pdus":[' + b"9" * 1_000_000 + b"]}",
        json.dumps({"pdus": {}, "edus": 5}).encode(),
        json.dumps(attacker.transaction([one] * 51)).encode(),
        json.dumps(attacker.transaction([], [{"edu_type": "x", "content": {}}] * 101)).encode(),
    ]
    for body in bodies:
        await _refused(raid, body)
    statuses = [await _long_body(raid, 100_000_000) for _ in range(3)]
    return {"bodies": len(bodies) + len(statuses)}


async def _refused(raid: Raid, body: bytes) -> None:
    """Send a body, signed as it is if it is JSON; no answer may be an error of the server."""
    attacker = raid.attacker
    content: JsonObject = {}
    with suppress(ValueError, RecursionError):
        decoded = json.loads(body)
        canonical_json(decoded)
        content = decoded if isinstance(decoded, dict) else {}
    try:
        answer: Answer = await attacker.request(
            raid.target.name, "PUT", attacker.next_transaction(), content=content, body=body
        )
    except aiohttp.ClientError:
        return  # The server may hang up.
    if answer.status >= 500 or answer.status == 200:
        raise ScenarioFailed(f"the body {body[:80]!r} was answered with {answer.status}: {answer}")


async def _long_body(raid: Raid, size: int) -> int:
    """Send a body that is too long, piece by piece; returns the status, or 0 for a hang-up."""
    chunk = b'"' + b"x" * 65_534 + b'"'

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"pdus":["'
        for _ in range(size // len(chunk)):
            yield chunk

    attacker = raid.attacker
    try:
        answer = await attacker.request(
            raid.target.name,
            "PUT",
            attacker.next_transaction(),
            content={},
            body=pieces(),
        )
    except aiohttp.ClientError:
        return 0
    if answer.status == 200 or answer.status >= 500:
        raise ScenarioFailed(f"a body of {size} bytes was answered with {answer.status}")
    return answer.status


async def endless_history(raid: Raid, *, length: int = 2_000) -> Figures:
    """An event whose past is missing; whatever is asked for leads to more that is missing."""
    room, attacker = raid.room, raid.attacker
    chain: dict[str, JsonObject] = {}
    previous = LOST_ROOT
    for number in range(length):
        draft = attacker.draft(
            room, f"past {number}", prev_events=[previous], depth=room.depth + number
        )
        pdu = attacker.finished(room, draft)
        previous = event_id_of(pdu, room.version)
        chain[previous] = pdu
    return await _lead_astray(raid, chain, previous)


async def _lead_astray(raid: Raid, chain: Mapping[str, JsonObject], last: str) -> Figures:
    """Send the last event of a chain, and let its past be asked for, backwards, for ever."""
    room, attacker = raid.room, raid.attacker

    async def answer(request: web.Request) -> web.StreamResponse | None:
        segments = request.path.split("/")[4:]
        match segments:
            case ["get_missing_events", _]:
                wanted = await request.json()
                pdus = _backwards(chain, wanted["latest_events"], wanted.get("limit", 10))
                return web.json_response({"events": pdus[::-1]})
            case ["backfill", _]:
                pdus = _backwards(chain, request.query.getall("v"), 100)
                return web.json_response(attacker.page(pdus))
            case ["event", event_id] if event_id in chain:
                return web.json_response(attacker.page([chain[event_id]]))
            case _:
                return None

    before = attacker.asked.total()
    attacker.override = answer
    await attacker.send(raid.target.name, [chain[last]])
    await _quiet(raid)
    asked = attacker.asked.total() - before
    if asked > MOST_REQUESTS:
        raise ScenarioFailed(f"one event made {raid.target.name} ask {asked} times")
    # What is at the end of that chain may stand or not; nobody vouches for it.
    room.events.update(chain)
    return {"requests": asked}


async def _quiet(raid: Raid, *, limit: float = 20.0) -> None:
    """Wait until the target has stopped asking, or for so many seconds."""
    asked = -1
    deadline = asyncio.get_running_loop().time() + limit
    while asked != raid.attacker.asked.total() and asyncio.get_running_loop().time() < deadline:
        asked = raid.attacker.asked.total()
        await asyncio.sleep(1.5)


def _backwards(
    chain: Mapping[str, JsonObject], latest: Sequence[str], limit: int
) -> list[JsonObject]:
    """The events before these, newest first; these themselves are left out."""
    found: list[JsonObject] = []
    left = [each for event_id in latest if event_id in chain for each in _past(chain, event_id)]
    while left and len(found) < limit:
        event_id = left.pop(0)
        if event_id in chain:
            found.append(chain[event_id])
            left += _past(chain, event_id)
    return found


def _past(chain: Mapping[str, JsonObject], event_id: str) -> list[str]:
    previous: list[str] = chain[event_id]["prev_events"]
    return previous


async def long_auth_chain(raid: Raid, *, length: int = 3_000) -> Figures:
    """An event that rests upon thousands of changes of the sender's name, and a false one."""
    room, attacker = raid.room, raid.attacker
    member = room.state["m.room.member", room.user_id]
    others = [each for each in room.auth_events(room.user_id) if each != member]
    join_rules = room.state["m.room.join_rules", ""]
    chain: dict[str, JsonObject] = {}
    for start in (member, LOST_ROOT):
        previous = start
        for number in range(length):
            draft = attacker.draft(
                room,
                "",
                type="m.room.member",
                state_key=room.user_id,
                content={"membership": "join", "displayname": f"name {number}"},
                prev_events=[LOST_ROOT],
                auth_events=[*others, join_rules, previous],
                depth=room.depth + number,
            )
            pdu = attacker.finished(room, draft)
            previous = event_id_of(pdu, room.version)
            chain[previous] = pdu
    draft = attacker.draft(room, "long chain", auth_events=[*others, previous])
    last = attacker.finished(room, draft)

    async def answer(request: web.Request) -> web.StreamResponse | None:
        segments = request.path.split("/")[4:]
        match segments:
            case ["event_auth", *_]:
                return web.json_response({"auth_chain": list(chain.values())})
            case ["event", event_id] if event_id in chain:
                return web.json_response(attacker.page([chain[event_id]]))
            case _:
                return None

    before = attacker.asked.total()
    attacker.override = answer
    raid.forged.append(event_id_of(last, room.version))
    await attacker.send(raid.target.name, [last])
    await _quiet(raid)
    asked = attacker.asked.total() - before
    if asked > MOST_REQUESTS:
        raise ScenarioFailed(f"one event made {raid.target.name} ask {asked} times")
    return {"requests": asked, "chain": len(chain)}


async def circles(raid: Raid) -> Figures:
    """Whatever event is asked for, one comes that names two others; none has the ID it should."""
    room, attacker = raid.room, raid.attacker
    names = [f"${'BCDEFG'[number] * 43}" for number in range(6)]

    def turning(number: int) -> JsonObject:
        around = [names[(number + step) % len(names)] for step in (1, 2)]
        draft = attacker.draft(room, "circle", prev_events=around, auth_events=around)
        return attacker.finished(room, draft)

    async def answer(request: web.Request) -> web.StreamResponse | None:
        circle = [turning(number) for number in range(len(names))]
        match request.path.split("/")[4:]:
            case ["event", event_id] if event_id in names:
                return web.json_response(attacker.page([circle[names.index(event_id)]]))
            case ["get_missing_events", _]:
                return web.json_response({"events": circle})
            case ["event_auth", *_]:
                return web.json_response({"auth_chain": circle})
            case ["state_ids", _]:
                return web.json_response({"pdu_ids": names, "auth_chain_ids": names})
            case ["state", _]:
                return web.json_response({"pdus": circle, "auth_chain": circle})
            case _:
                return None

    before = attacker.asked.total()
    attacker.override = answer
    forged = [
        attacker.finished(room, attacker.draft(room, "round", prev_events=names[:2])),
        attacker.finished(room, attacker.draft(room, "round", auth_events=names[2:4])),
    ]
    await _send_forged(raid, forged)
    await _quiet(raid)
    asked = attacker.asked.total() - before
    if asked > MOST_REQUESTS:
        raise ScenarioFailed(f"two events made {raid.target.name} ask {asked} times")
    return {"requests": asked}


async def forks(raid: Raid, *, width: int = 2_000) -> Figures:
    """Thousands of events after the same one: as many ends, which the next event cannot name."""
    room, attacker = raid.room, raid.attacker
    pdus = [
        attacker.finished(room, attacker.draft(room, f"fork {number}")) for number in range(width)
    ]
    for start in range(0, width, 50):
        await attacker.send(raid.target.name, pdus[start : start + 50])
    last = event_id_of(pdus[-1], room.version)
    await see_event(raid.owner, room.room_id, last, limit=TIME_FOR_FORKS)
    ends = len(room.events)
    for number in range(10):
        event_id = await raid.owner.say(room.room_id, f"after the forks {number}")
        await reaches(room, event_id, TIME_FOR_FORKS)
        named = room.events[event_id]["prev_events"]
        if len(named) > 20:
            raise ScenarioFailed(f"{event_id} names {len(named)} events before it")
    return {"forks": width, "answers": len(room.events) - ends}


async def slow_answers(raid: Raid, *, seconds: float = 4.0) -> Figures:
    """Whatever the attacker is asked takes long, and many requests of it are never ended."""
    room, attacker = raid.room, raid.attacker

    async def answer(request: web.Request) -> web.StreamResponse | None:
        await asyncio.sleep(seconds)
        return None

    attacker.override = answer
    pdus = [
        attacker.finished(room, attacker.draft(room, "slow", prev_events=[f"${number:043}"]))
        for number in range(20)
    ]
    sending = asyncio.create_task(attacker.send(raid.target.name, pdus))
    host, _, port = raid.target.name.rpartition(":")
    context = attacker.client_context
    unended = [await asyncio.open_connection(host, int(port), ssl=context) for _ in range(50)]
    head = b"PUT /_matrix/federation/v1/send/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    for _, writer in unended:
        writer.write(head)
    await asyncio.sleep(2 * seconds)
    for _, writer in unended:
        writer.transport.abort()
    await asyncio.gather(sending, return_exceptions=True)
    return {"connections": len(unended)}


async def huge_answers(raid: Raid, *, size: int = 200_000_000) -> Figures:
    """Answers that do not end: hundreds of megabytes, to whatever is asked."""
    room, attacker = raid.room, raid.attacker
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse | None:
        nonlocal sent
        if "/key/" in request.path or "/send/" in request.path:
            return None
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        # The other side may hang up; what it took until then counts.
        with suppress(ConnectionError):
            await response.write(b'{"events":[{"x":"')
            for _ in range(size // 65_536):
                await response.write(b"x" * 65_536)
                sent += 65_536
            await response.write_eof(b'"}]}')
        return response

    attacker.override = answer
    forged = [attacker.finished(room, attacker.draft(room, "huge", prev_events=[LOST_ROOT]))]
    await _send_forged(raid, forged)
    await _quiet(raid)
    asked = {f"asked for {word}": count for word, count in attacker.asked.items()}
    return {"MB sent": sent // 1_000_000, **asked}


async def _send_forged(raid: Raid, pdus: Sequence[JsonObject]) -> None:
    """Send events that must never be seen, each in a transaction of its own, and all in one."""
    raid.forged.extend(event_id_of(pdu, raid.room.version) for pdu in pdus)
    for batch in (*([pdu] for pdu in pdus), pdus):
        try:
            await raid.attacker.send(raid.target.name, batch)
        except RequestFailed as error:
            # The whole of it may be refused; the server must not have failed.
            if error.status >= 500:
                raise


ATTACKS = {
    "bad-signatures": bad_signatures,
    "wrong-hashes": wrong_hashes,
    "forged-senders": forged_senders,
    "malformed-events": malformed_events,
    "malformed-bodies": malformed_bodies,
    "endless-history": endless_history,
    "long-auth-chain": long_auth_chain,
    "circles": circles,
    "forks": forks,
    "slow-answers": slow_answers,
    "huge-answers": huge_answers,
}
"""All attacks by name."""
