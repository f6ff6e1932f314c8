"""Sending to-device messages, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homeserver.domain.identifiers import DeviceId
from homeserver.services.encryption.to_device import MAX_MESSAGE_BYTES, REMEMBERED_MS
from tests.deferreds import together
from tests.homeserver.encryption import EncryptionServer
from tests.rooms_fixture import refused, sqlite_at

PATH = "/sendToDevice/m.x/1"


async def test_the_wildcard_reaches_every_device(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    desk, tablet = await encryption.device("bob", "DESK"), await encryption.device("bob", "TABLET")
    messages = {"@bob:hs": {"*": {"to": "all"}, "TABLET": {"to": "tablet"}}}

    response = await phone.put(PATH, {"messages": messages})

    assert (response.status, response.json) == (200, {})
    assert [m["content"] for m in (await desk.sync()).messages] == [{"to": "all"}]
    assert [m["content"] for m in (await tablet.sync()).messages] == [{"to": "tablet"}]
    assert (await phone.sync()).messages == []


async def test_unknown_users_and_devices_are_passed_over(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    messages: dict[str, Any] = {
        "@alice:hs": {"GONE": {}, "\0": {}, "PHONE": {"n": 1}},
        "@nobody:hs": {"*": {}, "X": {}},
        "@far:away.example": {"*": {}},
    }

    assert (await phone.put(PATH, {"messages": messages})).status == 200

    assert [m["content"] for m in (await phone.sync()).messages] == [{"n": 1}]
    assert encryption.rows("SELECT count(*) FROM to_device_messages") == [(1,)]


async def test_a_repeated_request_sends_once(tmp_path: Path) -> None:
    server = EncryptionServer(sqlite_at(tmp_path / "restarted.db"))
    phone, desk = await server.device("alice"), await server.device("bob")
    tablet = await server.device("alice", "TABLET")
    await together(*(phone.sends(desk, txn_id="1", n=1) for _ in range(3)))
    await tablet.sends(desk, txn_id="1", n=2)
    server = await server.restart()
    phone = server.known_device(phone.user_id, phone.device_id)
    desk = server.known_device(desk.user_id, desk.device_id)

    await phone.sends(desk, txn_id="1", n=1)
    await phone.put("/sendToDevice/another.type/1", {"messages": {"@bob:hs": {"PHONE": {"n": 3}}}})

    assert [m["content"]["n"] for m in (await desk.sync()).messages] == [1, 2, 3]
    await server.close()


async def test_old_transactions_are_forgotten(encryption: EncryptionServer) -> None:
    phone = await encryption.device("alice")
    for number in range(3):
        await phone.sends(phone, txn_id=str(number))
    encryption.clock.advance(REMEMBERED_MS / 1000 + 1)

    await phone.sends(phone, txn_id="new")

    assert encryption.rows("SELECT txn_id FROM to_device_transactions") == [("new",)]


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        (PATH, {}, (400, "M_MISSING_PARAM")),
        (PATH, {"messages": []}, (400, "M_BAD_JSON")),
        (PATH, {"messages": {"@a:hs": {"X": "text"}}}, (400, "M_BAD_JSON")),
        (PATH, {"messages": {"bob": {}}}, (400, "M_INVALID_PARAM")),
        ("/sendToDevice/a%00b/1", {"messages": {}}, (400, "M_INVALID_PARAM")),
        (f"/sendToDevice/m.x/{'x' * 256}", {"messages": {}}, (400, "M_INVALID_PARAM")),
        (
            PATH,
            {"messages": {"@a:hs": {"X": {"x": "x" * MAX_MESSAGE_BYTES}}}},
            (413, "M_TOO_LARGE"),
        ),
    ],
)
async def test_malformed_requests_are_refused(
    encryption: EncryptionServer, path: str, body: Any, error: tuple[int, str]
) -> None:
    phone = await encryption.device("alice")

    assert refused(await phone.put(path, body)) == error


async def test_messages_end_with_their_device(encryption: EncryptionServer) -> None:
    phone, desk = await encryption.device("alice"), await encryption.device("bob")
    await phone.sends(desk, txn_id="1")
    await encryption.device_store.delete(desk.user_id, [desk.device_id])

    await encryption.traces.device_deleted(desk.user_id, [DeviceId(desk.device_id)])
    await phone.sends(desk, txn_id="2")

    assert encryption.rows("SELECT count(*) FROM to_device_messages") == [(0,)]
