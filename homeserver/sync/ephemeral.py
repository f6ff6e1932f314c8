"""The ephemeral part of a room: who types, and receipts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homeserver.domain.identifiers import UserId
from homeserver.ports.rooms.receipts import ReceiptRow
from homeserver.rooms.presentation import encode
from homeserver.rooms.view import RoomView
from homeserver.sync.windows import Window


def ephemeral_events(room: RoomView, window: Window, receipts: Sequence[ReceiptRow]) -> list[bytes]:
    """The ephemeral events of a window, in which ``receipts`` moved."""
    wanted = window.options.filter.room.ephemeral
    if wanted.is_pass_none or not wanted.matches_room(room.room_id):
        return []
    ignored = window.session.ignored
    found = []
    if (
        room.typing_position > (window.since or 0)
        and (room.typing or window.since is not None)
        and wanted.matches("m.typing", None)
    ):
        found.append(typing_event(room, ignored))
    if receipts and wanted.matches("m.receipt", None):
        event = receipt_event(receipts, window.session.user_id, ignored)
        if event is not None:
            found.append(event)
    return found


def typing_event(room: RoomView, ignored: frozenset[UserId]) -> bytes:
    """The m.typing event of a room: everyone who types now."""
    typists = [user for user in room.typing if user not in ignored]
    return b'{"content":%s,"type":"m.typing"}' % encode({"user_ids": typists})


def receipt_event(
    receipts: Iterable[ReceiptRow], reader: UserId, ignored: frozenset[UserId]
) -> bytes | None:
    """The m.receipt event of some receipts, if the reader may see any of them."""
    content = receipt_content(receipts, reader, ignored)
    return b'{"content":%s,"type":"m.receipt"}' % encode(content) if content else None


def receipt_content(
    receipts: Iterable[ReceiptRow], reader: UserId, ignored: frozenset[UserId]
) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """The content of an m.receipt event: event, type, user, and the receipt. Private receipts are
    for their own user."""
    content: dict[str, dict[str, dict[str, dict[str, object]]]] = {}
    for receipt in receipts:
        if is_hidden_from(receipt, reader) or receipt.user_id in ignored:
            continue
        users = content.setdefault(receipt.event_id, {}).setdefault(receipt.receipt_type, {})
        value: dict[str, object] = {"ts": receipt.ts}
        if receipt.thread_id:
            if "thread_id" not in users.get(receipt.user_id, {"thread_id": ""}):
                # There is place for one at each event: what is unthreaded reads every thread.
                continue
            value["thread_id"] = receipt.thread_id
        users[receipt.user_id] = value
    return content


def is_hidden_from(receipt: ReceiptRow, reader: UserId) -> bool:
    """Whether a receipt is the private one of somebody else."""
    return receipt.receipt_type == "m.read.private" and receipt.user_id != reader
