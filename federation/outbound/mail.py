"""Messages from this server's devices to those of other servers' users.

Server-server API, "Send-to-device messaging". They are stored until the other server has
acknowledged them, so none is lost, and they go out in the order in which they were sent.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import msgspec

from federation.outbound.destinations import Destinations
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import ServerName, UserId, server_name_of
from homeserver.domain.signing import encode_base64
from homeserver.log.log import Log
from homeserver.ports.clock import Clock
from homeserver.ports.federation.outbound import OutboundMessage, OutboundMessageStore
from homeserver.ports.federation.remote_mail import Messages

MOST_BYTES: Final = 65_536
"""About how long the content of an EDU is, unless a single message is longer."""

_MESSAGE_ID_LENGTH = 32

_encode = msgspec.json.Encoder().encode


class OutboundMail:
    """See :class:`homeserver.ports.federation.remote_mail.RemoteMail`."""

    def __init__(
        self,
        own_name: ServerName,
        store: OutboundMessageStore,
        log: Log,
        destinations: Destinations,
        clock: Clock,
    ) -> None:
        self._own_name = own_name
        self._store = store
        self._log = log
        self._destinations = destinations
        self._clock = clock
        self._number = 0

    async def resume(self) -> None:
        """Send what waits."""
        self._number = await self._store.last_number()
        self._destinations.due_messages(await self._store.destinations())

    async def send(self, sender: UserId, type: str, request_id: str, messages: Messages) -> None:
        """See :class:`homeserver.ports.federation.remote_mail.RemoteMail`."""
        by_server: dict[ServerName, list[UserId]] = defaultdict(list)
        for user_id in messages:
            server = server_name_of(user_id)
            if server != self._own_name:
                by_server[server].append(user_id)
        rows = []
        for server in self._destinations.others(by_server):
            wanted = {user_id: messages[user_id] for user_id in by_server[server]}
            for index, part in enumerate(_parts(wanted)):
                message_id = _message_id(sender, type, request_id, server, index)
                content = {
                    "message_id": message_id,
                    "messages": part,
                    "sender": sender,
                    "type": type,
                }
                rows.append(
                    OutboundMessage(server, self._next_number(), message_id, _encode(content))
                )
        if rows:
            await self._log.write(self._store.put, rows)
            self._destinations.due_messages({row.destination for row in rows})

    def _next_number(self) -> int:
        # Written in this order, as the log commits in the order of its writes.
        self._number = max(self._number + 1, self._clock.now_ms() * 1000)
        return self._number


def _parts(messages: Messages) -> Iterator[dict[UserId, dict[str, JsonObject]]]:
    part: dict[UserId, dict[str, JsonObject]] = defaultdict(dict)
    size = 0
    for user_id, by_device in messages.items():
        for device_id, content in by_device.items():
            length = len(_encode(content))
            if part and size + length > MOST_BYTES:
                yield part
                part, size = defaultdict(dict), 0
            part[user_id][device_id] = content
            size += length
    if part:
        yield part


def _message_id(sender: UserId, type: str, request_id: str, server: ServerName, index: int) -> str:
    named = _encode([sender, type, request_id, server, index])
    digest = encode_base64(hashlib.sha256(named).digest())
    return digest.replace("+", "-").replace("/", "_")[:_MESSAGE_ID_LENGTH]
