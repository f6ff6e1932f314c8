"""Sending what was delayed, as its sender would send it now (MSC4140).

The event is authorised as any other, by what its sender and the room are at this moment. It is sent
under a transaction that follows from its delay ID: whoever sends it again, because a crash came
between the event and the note that it was sent, gets the event that there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import Forbidden
from homeserver.domain.identifiers import EventId, UserId
from homeserver.domain.requester import Requester
from homeserver.ports.accounts.accounts import AccountStore
from homeserver.ports.calls.delayed_events import DelayedEvent
from homeserver.ports.rooms.events import DELAYED
from homeserver.rooms.actor import NewEvent
from homeserver.rooms.directory import RoomDirectory
from homeserver.rooms.view import MEMBER
from homeserver.services.accounts.suspension import require_not_suspended
from homeserver.services.messages.messages import Messages
from homeserver.services.messages.transactions import NO_DEVICE, send_once
from homeserver.services.rooms.acting_in_rooms import room_to_act_in
from homeserver.services.rooms.aliases import CANONICAL_ALIAS
from homeserver.services.rooms.room_state import RoomState

# State that is more than an event. Setting it again as it is changes nothing.
_WITH_RULES_OF_ITS_OWN: Final = frozenset(
    {MEMBER, CANONICAL_ALIAS, "m.room.create", "m.room.guest_access", "m.room.power_levels"}
)
_NO_TOKEN: Final = 0

_decode = msgspec.json.Decoder(dict).decode


class DelayedSending:
    """Sends delayed events. ``spend`` takes a message from the rate that a user may send at, and
    raises LimitExceeded when there is none left."""

    def __init__(
        self,
        accounts: AccountStore,
        directory: RoomDirectory,
        messages: Messages,
        state: RoomState,
        spend: Callable[[UserId], None],
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._messages = messages
        self._state = state
        self._spend = spend

    async def send(self, delayed: DelayedEvent) -> EventId:
        """Send an event, if that was not done yet; its ID.

        Raises LimitExceeded, and as ``Messages.send`` and ``RoomState.set``.
        """
        requester = await self._requester(delayed.user_id)
        self._spend(delayed.user_id)
        content = _decode(delayed.content)
        type, state_key = delayed.type, delayed.state_key
        if state_key is None:
            txn_id = _transaction(delayed)
            return await self._messages.send(requester, delayed.room_id, type, content, txn_id)
        if type in _WITH_RULES_OF_ITS_OWN:
            return await self._state.set(requester, delayed.room_id, type, state_key, content)
        return await self._set(requester, delayed, content)

    async def _requester(self, user_id: UserId) -> Requester:
        account = await self._accounts.account(user_id)
        if account is None or account.is_deactivated or account.is_locked:
            raise Forbidden("The account of the sender is closed or locked")
        return Requester(
            user_id,
            None,
            _NO_TOKEN,
            is_guest=account.is_guest,
            is_admin=account.is_admin,
            is_suspended=account.is_suspended,
        )

    async def _set(
        self, requester: Requester, delayed: DelayedEvent, content: JsonObject
    ) -> EventId:
        require_not_suspended(requester)
        actor = await room_to_act_in(self._directory, delayed.room_id)
        txn_id = _transaction(delayed)
        new = NewEvent(
            type=delayed.type,
            sender=requester.user_id,
            content=content,
            state_key=delayed.state_key,
            device_id=NO_DEVICE,
            txn_id=txn_id,
        )
        return await send_once(
            actor,
            self._directory.events,
            requester,
            (txn_id, delayed.type),
            lambda: actor.append(new),
        )


def _transaction(delayed: DelayedEvent) -> str:
    return DELAYED + delayed.delay_id
