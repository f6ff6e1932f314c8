"""A homeserver that does what the script says: enough of one to take part in rooms.

It publishes its key, joins rooms of others, sends whatever it is told to, takes in all events
that it is sent without checking them, and answers what others ask for from what it has.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import aiohttp
import attrs
from aiohttp import web
from yarl import URL

from synctest.connection import Answer, JsonObject, RequestFailed
from synctest.federation.authority import Certificate
from synctest.federation.pdus import OLDEST_VERSION, event_id_of, finished, now_ms
from synctest.federation.signed_json import Signer, canonical_json
from synctest.process import free_port

BASE = "/_matrix/federation"
AUTH_TYPES = ("m.room.create", "m.room.power_levels")

Override: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""Answers a request in its own way, or leaves it to the server by answering None."""


@attrs.define
class SharedRoom:
    """A room as the scripted server knows it; ``resident`` is the server that let it in."""

    room_id: str
    version: str
    resident: str
    user_id: str
    events: dict[str, JsonObject]
    state: dict[tuple[str, str], str]
    latest: list[str]
    depth: int

    def take(self, pdu: JsonObject) -> str:
        """Take an event in as the newest, and return its ID."""
        event_id = event_id_of(pdu, self.version)
        self.events[event_id] = pdu
        self.latest = [each for each in self.latest if each not in pdu["prev_events"]]
        self.latest.append(event_id)
        self.depth = max(self.depth, int(pdu["depth"]))
        if "state_key" in pdu:
            self.state[pdu["type"], pdu["state_key"]] = event_id
        return event_id

    def auth_events(self, sender: str) -> list[str]:
        """The events that allow a sender who is in the room to speak."""
        keys = [(name, "") for name in AUTH_TYPES] + [("m.room.member", sender)]
        if int(self.version) >= 12:
            keys.remove(("m.room.create", ""))
        return [self.state[key] for key in keys if key in self.state]


class ScriptedServer:
    """Answers on a port of its own, over TLS, and makes signed requests."""

    def __init__(self, name: str, certificate: Certificate) -> None:
        self.signer = Signer(name)
        self.rooms: dict[str, SharedRoom] = {}
        self.asked: Counter[str] = Counter()
        self.override: Override | None = None
        self._certificate = certificate
        self._session: aiohttp.ClientSession | None = None
        self._txn_numbers = itertools.count(now_ms())

    @property
    def name(self) -> str:
        return self.signer.server_name

    @property
    def client_context(self) -> ssl.SSLContext:
        """How it connects to others."""
        return self._certificate.client_context()

    # What it asks of others

    async def request(
        self,
        destination: str,
        method: str,
        path: str,
        *,
        content: JsonObject | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        within: float = 60.0,
    ) -> Answer:
        """A signed request; ``body`` is sent instead of the ``content`` that was signed."""
        if self._session is None:
            raise RuntimeError("the server does not run")
        claim: JsonObject = {
            "method": method,
            "uri": path,
            "origin": self.name,
            "destination": destination,
        }
        if content is not None:
            claim["content"] = content
        header = (
            f'X-Matrix origin="{self.name}",destination="{destination}",'
            f'key="{self.signer.key_id}",sig="{self.signer.signature(claim)}"'
        )
        if body is None and content is not None:
            body = canonical_json(content)
        async with self._session.request(
            method,
            URL(f"https://{destination}{path}", encoded=True),
            data=body,
            headers={"Authorization": header, "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=within),
        ) as response:
            return Answer(response.status, response.content_type, await response.read())

    async def ask(
        self, destination: str, method: str, path: str, content: JsonObject | None = None
    ) -> Any:
        """A signed request's answer; raises `RequestFailed` unless it is 200."""
        answer = await self.request(destination, method, path, content=content)
        if answer.status != 200:
            raise RequestFailed(f"{method} {path}", answer.status, answer.body)
        return json.loads(answer.body)

    async def join(self, resident: str, room_id: str, user_id: str) -> SharedRoom:
        """Join a room through a server that is in it, by its rules."""
        versions = urlencode([("ver", str(number)) for number in range(OLDEST_VERSION, 13)])
        where = f"{quote(room_id, safe='')}/{quote(user_id, safe='')}"
        made = await self.ask(resident, "GET", f"{BASE}/v1/make_join/{where}?{versions}")
        version: str = made["room_version"]
        template = {**made["event"], "origin_server_ts": now_ms()}
        pdu = finished(template, version, self.signer)
        event_id = event_id_of(pdu, version)
        path = f"{BASE}/v2/send_join/{quote(room_id, safe='')}/{quote(event_id, safe='')}"
        answer = await self.ask(resident, "PUT", path, pdu)
        room = SharedRoom(room_id, version, resident, user_id, {}, {}, [], int(pdu["depth"]))
        for each in [*answer["auth_chain"], *answer["state"]]:
            room.events[event_id_of(each, version)] = each
        for each in answer["state"]:
            room.state[each["type"], each["state_key"]] = event_id_of(each, version)
        room.take(pdu)
        self.rooms[room_id] = room
        return room

    def draft(self, room: SharedRoom, body: str, **changes: Any) -> JsonObject:
        """A message that follows all that the server knows of, neither hashed nor signed."""
        return {
            "room_id": room.room_id,
            "sender": room.user_id,
            "type": "m.room.message",
            "content": {"msgtype": "m.text", "body": body},
            "prev_events": list(room.latest),
            "auth_events": room.auth_events(room.user_id),
            "depth": room.depth + 1,
            "origin_server_ts": now_ms(),
            **changes,
        }

    def finished(self, room: SharedRoom, draft: Mapping[str, Any]) -> JsonObject:
        """The event with its hash and this server's signature."""
        return finished(draft, room.version, self.signer)

    async def say(self, room: SharedRoom, body: str) -> str:
        """Send a message by all the rules; returns its ID.

        Raises `RequestFailed` when it is refused.
        """
        pdu = self.finished(room, self.draft(room, body))
        event_id = room.take(pdu)
        results = await self.send(room.resident, [pdu])
        if refusal := results.get(event_id, {}).get("error"):
            raise RequestFailed(f"the good event {event_id}", 200, str(refusal).encode())
        return event_id

    async def send(
        self, destination: str, pdus: Sequence[JsonObject], edus: Sequence[JsonObject] = ()
    ) -> JsonObject:
        """Send a transaction; returns the results by event ID."""
        answer = await self.ask(
            destination, "PUT", self.next_transaction(), self.transaction(pdus, edus)
        )
        results: JsonObject = answer.get("pdus", {})
        return results

    def next_transaction(self) -> str:
        """The path of a transaction that was not sent yet."""
        return f"{BASE}/v1/send/{next(self._txn_numbers)}"

    def transaction(
        self, pdus: Sequence[JsonObject], edus: Sequence[JsonObject] = ()
    ) -> JsonObject:
        return {
            "origin": self.name,
            "origin_server_ts": now_ms(),
            "pdus": list(pdus),
            "edus": list(edus),
        }

    # What others ask of it

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request: as the script says, or as a plain homeserver."""
        path = request.rel_url.raw_path
        word = path.removeprefix(BASE).split("/")[2:3]
        self.asked[word[0] if word else path] += 1
        if self.override is not None:
            answer = await self.override(request)
            if answer is not None:
                return answer
        return web.json_response(await self._plain_answer(request, path))

    async def _plain_answer(self, request: web.Request, path: str) -> JsonObject:
        if path.startswith("/_matrix/key/v2/server"):
            return self._keys()
        segments = [
            URL(f"/{segment}", encoded=True).path[1:]
            for segment in path.removeprefix(BASE).split("/")[2:]
        ]
        match segments:
            case ["version"]:
                return {"server": {"name": "scripted", "version": "1"}}
            case ["send", _]:
                return self._take_transaction(await request.json())
            case ["event", event_id]:
                return self.page(self._found([event_id]))
            case ["get_missing_events", room_id]:
                return self._missing(room_id, await request.json())
            case ["backfill", room_id]:
                return self.page(self._before(room_id, request.query.getall("v")))
            case ["state_ids", room_id]:
                room = self.rooms[room_id]
                return {
                    "pdu_ids": list(room.state.values()),
                    "auth_chain_ids": list(room.state.values()),
                }
            case ["state", room_id]:
                room = self.rooms[room_id]
                pdus = [room.events[each] for each in room.state.values()]
                return {"pdus": pdus, "auth_chain": pdus}
            case ["event_auth", room_id, _]:
                room = self.rooms[room_id]
                return {"auth_chain": [room.events[each] for each in room.state.values()]}
            case ["query", "profile"]:
                return {}
            case _:
                raise web.HTTPNotFound(text='{"errcode":"M_UNRECOGNIZED","error":"not played"}')

    def _keys(self) -> JsonObject:
        keys = {
            "server_name": self.name,
            "valid_until_ts": now_ms() + 86_400_000,
            "verify_keys": {self.signer.key_id: {"key": self.signer.verify_key}},
            "old_verify_keys": {},
        }
        return self.signer.sign(keys)

    def _take_transaction(self, transaction: JsonObject) -> JsonObject:
        results: JsonObject = {}
        for pdu in transaction.get("pdus", ()):
            if room := self.rooms.get(pdu.get("room_id", "")):
                results[room.take(pdu)] = {}
        return {"pdus": results}

    def _found(self, event_ids: Sequence[str]) -> list[JsonObject]:
        found = [
            room.events[event_id]
            for event_id in event_ids
            for room in self.rooms.values()
            if event_id in room.events
        ]
        if not found:
            raise web.HTTPNotFound(text='{"errcode":"M_NOT_FOUND","error":"no such event"}')
        return found

    def page(self, pdus: Sequence[JsonObject]) -> JsonObject:
        """Some events, as they are answered in several places."""
        return {"origin": self.name, "origin_server_ts": now_ms(), "pdus": list(pdus)}

    def _missing(self, room_id: str, wanted: JsonObject) -> JsonObject:
        known = set(wanted["earliest_events"])
        pdus = [
            pdu
            for pdu in self._before(room_id, wanted["latest_events"], limit=wanted.get("limit", 10))
            if event_id_of(pdu, self.rooms[room_id].version) not in known
        ]
        return {"events": pdus[::-1]}

    def _before(
        self, room_id: str, event_ids: Sequence[str], *, limit: int = 100
    ) -> list[JsonObject]:
        room = self.rooms[room_id]
        left, found = list(event_ids), dict[str, JsonObject]()
        while left and len(found) < limit:
            event_id = left.pop(0)
            if event_id in room.events and event_id not in found:
                found[event_id] = room.events[event_id]
                left += found[event_id]["prev_events"]
        return list(found.values())

    async def start(self) -> web.AppRunner:
        """Listen, and be ready to ask."""
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{tail:.*}", self.answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        port = int(self.name.rpartition(":")[2])
        context = self._certificate.server_context()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        connector = aiohttp.TCPConnector(ssl=self.client_context, limit=0)
        self._session = aiohttp.ClientSession(connector=connector)
        return runner

    async def stop(self, runner: web.AppRunner) -> None:
        if self._session is not None:
            await self._session.close()
        await runner.cleanup()


@asynccontextmanager
async def started_script(certificate: Certificate) -> AsyncIterator[ScriptedServer]:
    """A scripted server, for as long as the block runs."""
    server = ScriptedServer(f"127.0.0.1:{free_port()}", certificate)
    runner = await server.start()
    try:
        yield server
    finally:
        await server.stop(runner)
        await asyncio.sleep(0)  # Connections close in the next turn.
