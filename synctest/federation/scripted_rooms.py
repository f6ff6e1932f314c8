"""Rooms that a scripted server made itself, in room versions 11 and 12, and lets others in to."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from synctest.connection import JsonObject
from synctest.federation.pdus import event_id_of, now_ms
from synctest.federation.scripted_server import ScriptedServer, SharedRoom


class ScriptedRooms:
    """Makes public rooms, and answers who wants to join them: to be a server's ``override``."""

    def __init__(self, server: ScriptedServer) -> None:
        self.received: list[JsonObject] = []
        self._server = server

    def make(self, room_version: str) -> SharedRoom:
        """A public room of one user of the scripted server."""
        server = self._server
        user_id = f"@host:{server.name}"
        room = SharedRoom("", room_version, server.name, user_id, {}, {}, [], 0)
        named: dict[str, str] = {}
        if int(room_version) < 12:
            room.room_id = f"!{now_ms()}:{server.name}"
            named = {"room_id": room.room_id}
        create: JsonObject = {
            **self._draft(room, "m.room.create", "", {"room_version": room_version}),
            "auth_events": [],
        }
        del create["room_id"]
        create_id = room.take(server.finished(room, {**create, **named}))
        if not named:
            room.room_id = "!" + create_id[1:]
        levels: JsonObject = {"users": {user_id: 100} if named else {}}
        self.add(room, "m.room.member", user_id, {"membership": "join"})
        self.add(room, "m.room.power_levels", "", levels)
        self.add(room, "m.room.join_rules", "", {"join_rule": "public"})
        server.rooms[room.room_id] = room
        return room

    def add(self, room: SharedRoom, event_type: str, state_key: str, content: JsonObject) -> str:
        """Add a state event to a room; returns its ID."""
        return room.take(
            self._server.finished(room, self._draft(room, event_type, state_key, content))
        )

    def _draft(
        self, room: SharedRoom, event_type: str, state_key: str, content: JsonObject
    ) -> JsonObject:
        more = {"type": event_type, "state_key": state_key, "content": content}
        return self._server.draft(room, "", **more)

    async def answer(self, request: web.Request) -> web.StreamResponse | None:
        """Answer make_join and send_join; leave everything else to the server."""
        segments = [unquote(part) for part in request.rel_url.raw_path.split("/")[4:]]
        match segments:
            case ["make_join", room_id, user_id]:
                return web.json_response(self.template(room_id, user_id))
            case ["send_join", room_id, _]:
                pdu = await request.json()
                self.received.append(pdu)
                return web.json_response(self.welcome(room_id, pdu))
            case _:
                return None

    def template(self, room_id: str, user_id: str) -> JsonObject:
        """What /make_join answers."""
        room = self._server.rooms[room_id]
        member = self._draft(room, "m.room.member", user_id, {"membership": "join"})
        kinds = [("m.room.create", "")] if int(room.version) < 12 else []
        kinds += [("m.room.power_levels", ""), ("m.room.join_rules", "")]
        auth_events = [room.state[kind] for kind in kinds]
        event = {**member, "sender": user_id, "auth_events": auth_events}
        return {"room_version": room.version, "event": event}

    def welcome(self, room_id: str, pdu: JsonObject) -> JsonObject:
        """What /send_join answers: the state before the join, which is taken in."""
        room = self._server.rooms[room_id]
        state = [room.events[event_id] for event_id in room.state.values()]
        signed: JsonObject = json.loads(json.dumps(pdu))
        room.take(signed)
        return {
            "origin": self._server.name,
            "members_omitted": False,
            "state": state,
            "auth_chain": state,
            "event": signed,
        }

    def forged(self, room: SharedRoom, **changes: Any) -> JsonObject:
        """A finished event of the host's, changed before it was hashed and signed."""
        return self._server.finished(room, self._server.draft(room, "forged", **changes))

    def event_id(self, room: SharedRoom, pdu: JsonObject) -> str:
        return event_id_of(pdu, room.version)
