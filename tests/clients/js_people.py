"""People who chat through matrix-js-sdk, each in a Node.js process that does as it is told."""

from __future__ import annotations

import asyncio
import json
import tempfile
from typing import IO, Any

from tests.clients.node import PROJECT, Node

PATIENCE = 30.0
"""Seconds that one deed may take; js/people.mjs gives up waiting for anything earlier."""

ANSWER = b"answer "
LONGEST_ANSWER = 2**20


class JsPerson:
    """Somebody with one client that encrypts; js/companion.mjs tells what it can do."""

    user_id: str
    device_id: str

    def __init__(self, process: asyncio.subprocess.Process, log: IO[str]) -> None:
        self._process = process
        self._log = log

    async def create_room(self) -> str:
        """An encrypted room; returns its id."""
        return str(await self._do("createRoom"))

    async def invite(self, room_id: str, user_id: str) -> None:
        await self._do("invite", roomId=room_id, userId=user_id)

    async def join(self, room_id: str) -> None:
        """Follow an invitation, once it comes over /sync."""
        await self._do("join", roomId=room_id)

    async def leave(self, room_id: str) -> None:
        await self._do("leave", roomId=room_id)

    async def say(self, room_id: str, body: str) -> str:
        return str(await self._do("say", roomId=room_id, body=body))

    async def read(self, room_id: str, event_id: str) -> str:
        """The text of an encrypted message that comes over /sync."""
        return str(await self._do("read", roomId=room_id, eventId=event_id))

    async def fetch(self, room_id: str, event_id: str) -> dict[str, Any]:
        """An event as the server has it."""
        event: dict[str, Any] = await self._do("fetch", roomId=room_id, eventId=event_id)
        return event

    async def decipher(self, event: dict[str, Any]) -> str | None:
        """The text of an encrypted message, if its key is known."""
        body: str | None = await self._do("decipher", event=event)
        return body

    async def meet(self, room_id: str, user_id: str, device_id: str) -> None:
        """Wait until a user is seen in a room, and the keys of a device of theirs are known."""
        await self._do("meet", roomId=room_id, userId=user_id, deviceId=device_id)

    async def miss(self, room_id: str, user_id: str) -> None:
        """Wait until a user is seen to have left a room."""
        await self._do("miss", roomId=room_id, userId=user_id)

    async def introduce(self, deed: str, **details: str) -> None:
        """Begin: with a new account, or a new device of one."""
        answer = await self._do(deed, **details)
        self.user_id, self.device_id = answer["userId"], answer["deviceId"]

    async def go(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._log.close()

    async def _do(self, deed: str, **details: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"deed": deed, "details": details}).encode() + b"\n")
        await stdin.drain()
        async with asyncio.timeout(PATIENCE):
            while (line := await stdout.readline()) and not line.startswith(ANSWER):
                pass
        assert line, f"the client died of {deed}:\n{self._words()}"
        answer = json.loads(line.removeprefix(ANSWER))
        assert "error" not in answer, f"{deed} failed: {answer['error']}\n{self._words()}"
        return answer["result"]

    def _words(self) -> str:
        self._log.seek(0)
        return self._log.read()


class JsLobby:
    """Where people come in with matrix-js-sdk, with their keys in memory."""

    def __init__(self, node: Node, homeserver: str) -> None:
        self._node = node
        self._homeserver = homeserver
        self._people: list[JsPerson] = []

    async def register(self, name: str) -> JsPerson:
        """Somebody new, online."""
        return await self._enter("register", name=name)

    async def log_in(self, user_id: str) -> JsPerson:
        """A new device of somebody's, online."""
        return await self._enter("logIn", userId=user_id)

    async def close(self) -> None:
        for person in self._people:
            await person.go()

    async def _enter(self, deed: str, **details: str) -> JsPerson:
        log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by the person
        process = await asyncio.create_subprocess_exec(
            *self._node.command("companion.mjs"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=PROJECT,
            env=self._node.environment({"HOMESERVER_URL": self._homeserver}),
            limit=LONGEST_ANSWER,
        )
        person = JsPerson(process, log)
        self._people.append(person)
        await person.introduce(deed, **details)
        return person
