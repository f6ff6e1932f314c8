"""What nobody misses when it is late, as it is merged for one destination.

Server-server API, "Typing Notifications", "Presence" and "Receipts".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.identifiers import RoomId, UserId
from homeserver.ports.federation.outbound import PublicReceipt

MOST_KEPT: Final = 1_000
"""How many of each kind wait for a destination; those that wait for the longest are dropped."""

MOST_PRESENCES: Final = 50
"""The presence of how many users is in one EDU."""

ReceiptKey = tuple[RoomId, UserId, str]


@attrs.define(slots=True, eq=False)
class Ephemeral:
    """Typing, presence and receipts that wait, the newest of each user."""

    typing: dict[tuple[RoomId, UserId], bool] = attrs.Factory(dict)
    presence: dict[UserId, Mapping[str, Any]] = attrs.Factory(dict)
    receipts: dict[ReceiptKey, PublicReceipt] = attrs.Factory(dict)

    def __bool__(self) -> bool:
        return bool(self.typing or self.presence or self.receipts)

    def add_typing(self, room_id: RoomId, user_id: UserId, is_typing: bool) -> None:
        """A user begins or ends to type."""
        _keep_newest(self.typing, (room_id, user_id), is_typing)

    def add_presence(self, user_id: UserId, content: Mapping[str, Any]) -> None:
        """The presence of a user changed."""
        _keep_newest(self.presence, user_id, content)

    def add_receipt(self, receipt: PublicReceipt) -> None:
        """A receipt moved."""
        key = (receipt.room_id, receipt.user_id, receipt.thread_id)
        known = self.receipts.get(key)
        if known is None or known.position < receipt.position:
            _keep_newest(self.receipts, key, receipt)

    def drop_passing(self) -> None:
        """Forget what is of no use later."""
        self.typing.clear()
        self.presence.clear()

    def take(self, room_left: int) -> tuple[list[JsonObject], list[PublicReceipt]]:
        """At most ``room_left`` EDUs, which wait no longer, and the receipts in them."""
        edus: list[JsonObject] = []
        while self.presence and len(edus) < room_left:
            edus.append(_presence_edu(self._first_presences()))
        while self.typing and len(edus) < room_left:
            key = next(iter(self.typing))
            edus.append(_typing_edu(*key, self.typing.pop(key)))
        taken: list[PublicReceipt] = []
        if self.receipts and len(edus) < room_left:
            receipt_edus, taken = merged_receipts(self.receipts.values(), room_left - len(edus))
            edus += receipt_edus
            for receipt in taken:
                del self.receipts[receipt.room_id, receipt.user_id, receipt.thread_id]
        return edus, taken

    def _first_presences(self) -> list[tuple[UserId, Mapping[str, Any]]]:
        users = list(self.presence)[:MOST_PRESENCES]
        return [(user_id, self.presence.pop(user_id)) for user_id in users]


def merged_receipts(
    receipts: Iterable[PublicReceipt], most: int
) -> tuple[list[JsonObject], list[PublicReceipt]]:
    """Receipts in as few EDUs as hold them, at most so many, and which of them those hold.

    An EDU has one receipt of a user in a room, so those in several threads need several.
    """
    contents: list[JsonObject] = []
    taken = []
    for receipt in receipts:
        for content in contents:
            users = content.setdefault(receipt.room_id, {"m.read": {}})["m.read"]
            if receipt.user_id not in users:
                break
        else:
            if len(contents) == most:
                continue
            users = {}
            contents.append({receipt.room_id: {"m.read": users}})
        data: JsonObject = {"ts": receipt.ts}
        if receipt.thread_id:
            data["thread_id"] = receipt.thread_id
        users[receipt.user_id] = {"data": data, "event_ids": [receipt.event_id]}
        taken.append(receipt)
    return [{"content": content, "edu_type": "m.receipt"} for content in contents], taken


def _keep_newest(kept: dict[Any, Any], key: Any, value: Any) -> None:
    kept.pop(key, None)
    if len(kept) >= MOST_KEPT:
        del kept[next(iter(kept))]
    kept[key] = value


def _typing_edu(room_id: RoomId, user_id: UserId, is_typing: bool) -> JsonObject:
    content = {"room_id": room_id, "typing": is_typing, "user_id": user_id}
    return {"content": content, "edu_type": "m.typing"}


def _presence_edu(users: list[tuple[UserId, Mapping[str, Any]]]) -> JsonObject:
    push = [
        {"last_active_ago": 0, "currently_active": False, **_shown(content), "user_id": user_id}
        for user_id, content in users
    ]
    return {"content": {"push": push}, "edu_type": "m.presence"}


def _shown(content: Mapping[str, Any]) -> JsonObject:
    """Of the presence of a user what other servers are told."""
    told = ("presence", "last_active_ago", "status_msg", "currently_active")
    return {name: content[name] for name in told if name in content}
