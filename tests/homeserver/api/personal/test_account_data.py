"""Account data and tags over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.homeserver.personal_server import ALICE, BOB, PersonalServer

USER = f"/_matrix/client/v3/user/{ALICE}"
GLOBAL = f"{USER}/account_data/m.direct"
IN_ROOM = f"{USER}/rooms/!room:hs/account_data/m.direct"
TAGS = f"{USER}/rooms/!room:hs/tags"


@pytest.mark.parametrize("path", [GLOBAL, IN_ROOM, GLOBAL.replace("v3", "r0")])
async def test_data_is_read_as_it_was_written(path: str) -> None:
    client = PersonalServer().client
    missing = await client.request("GET", path, token=ALICE)
    assert (missing.status, missing.json["errcode"]) == (404, "M_NOT_FOUND")
    content = {"a": [1.5, 2**70, None, "é\0"]}
    assert (await client.request("PUT", path, content, token=ALICE)).json == {}
    assert (await client.request("GET", path, token=ALICE)).json == content


async def test_numbers_are_kept_as_they_were_written() -> None:
    server = PersonalServer()
    sent = b' {"a": 1.50,\n "b": 1e2 }'
    await server.client.request("PUT", GLOBAL, raw_body=sent, token=ALICE)
    assert await server.account_data.get(ALICE, None, "m.direct") == b'{"a":1.50,"b":1e2}'


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"{", "M_NOT_JSON"),
        (b"\xff", "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"7", "M_BAD_JSON"),
        (b'{"a":' * 100_000, "M_BAD_JSON"),
    ],
)
async def test_what_is_no_object_is_refused(body: bytes, errcode: str) -> None:
    client = PersonalServer().client
    for path in (GLOBAL, IN_ROOM):
        response = await client.request("PUT", path, raw_body=body, token=ALICE)
        assert (response.status, response.json["errcode"]) == (400, errcode)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("path", [GLOBAL, IN_ROOM])
async def test_account_data_is_for_oneself(method: str, path: str) -> None:
    client = PersonalServer().client
    response = await client.request(method, path, {}, token=BOB)
    assert (response.status, response.json["errcode"]) == (403, "M_FORBIDDEN")
    assert (await client.request(method, path, {})).status == 401


@pytest.mark.parametrize("type", ["m.fully_read", "m.push_rules"])
@pytest.mark.parametrize("where", ["", "/rooms/!room:hs"])
async def test_data_that_the_server_manages_is_not_written(type: str, where: str) -> None:
    client = PersonalServer().client
    path = f"{USER}{where}/account_data/{type}"
    response = await client.request("PUT", path, {}, token=ALICE)
    assert (response.status, response.json["errcode"]) == (405, "M_BAD_JSON")


async def test_push_rules_are_read_as_account_data() -> None:
    client = PersonalServer().client
    path = f"{USER}/account_data/m.push_rules"
    rules = await client.request("GET", path, token=ALICE)
    assert set(rules.json["global"]) == {"override", "content", "room", "sender", "underride"}
    rule = "/_matrix/client/v3/pushrules/global/content/cake"
    await client.request("PUT", rule, {"pattern": "cake", "actions": []}, token=ALICE)
    rules = await client.request("GET", path, token=ALICE)
    assert [rule["rule_id"] for rule in rules.json["global"]["content"]] == ["cake"]


@pytest.mark.parametrize("room_id", ["@room:hs", "room", "!room:a%20b"])
async def test_the_room_must_be_one(room_id: str) -> None:
    client = PersonalServer().client
    for path in (f"rooms/{room_id}/account_data/m.direct", f"rooms/{room_id}/tags/u.work"):
        response = await client.request("PUT", f"{USER}/{path}", {}, token=ALICE)
        assert (response.status, response.json["errcode"]) == (400, "M_INVALID_PARAM")


async def test_tags_are_put_and_taken_off() -> None:
    client = PersonalServer().client
    assert (await client.request("GET", TAGS, token=ALICE)).json == {"tags": {}}
    await client.request("PUT", f"{TAGS}/m.favourite", {"order": 0.25, "x": 1}, token=ALICE)
    await client.request("PUT", f"{TAGS}/u.a%2Fb", {}, token=ALICE)
    tags = {"m.favourite": {"order": 0.25, "x": 1}, "u.a/b": {}}
    assert (await client.request("GET", TAGS, token=ALICE)).json == {"tags": tags}
    path = f"{USER}/rooms/!room:hs/account_data/m.tag"
    assert (await client.request("GET", path, token=ALICE)).json == {"tags": tags}
    for _ in range(2):
        assert (await client.request("DELETE", f"{TAGS}/u.a%2Fb", token=ALICE)).json == {}
    del tags["u.a/b"]
    assert (await client.request("GET", TAGS, token=ALICE)).json == {"tags": tags}


@pytest.mark.parametrize("order", ["0.5", True, -0.1, 1.1, [], {}])
async def test_the_order_of_a_tag_is_from_0_to_1(order: Any) -> None:
    client = PersonalServer().client
    response = await client.request("PUT", f"{TAGS}/u.work", {"order": order}, token=ALICE)
    assert (response.status, response.json["errcode"]) == (400, "M_BAD_JSON")


async def test_a_tag_has_at_most_255_bytes() -> None:
    client = PersonalServer().client
    for tag, status in (("x" * 255, 200), ("x" * 256, 400), ("", 400)):
        assert (await client.request("PUT", f"{TAGS}/{tag}", {}, token=ALICE)).status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_tags_are_for_oneself(method: str) -> None:
    client = PersonalServer().client
    assert (await client.request(method, f"{TAGS}/u.work", {}, token=BOB)).status == 403
    assert (await client.request("GET", TAGS, token=BOB)).status == 403


# --- deletion, as in MSC3391

DELETION = f"/_matrix/client/unstable/org.matrix.msc3391/user/{ALICE}"
DELETED_PATHS = [
    (f"{DELETION}/account_data/m.direct", GLOBAL),
    (f"{DELETION}/rooms/!room:hs/account_data/m.direct", IN_ROOM),
]


@pytest.mark.parametrize(("deletion", "path"), DELETED_PATHS)
async def test_data_is_deleted(deletion: str, path: str) -> None:
    client = PersonalServer().client
    await client.request("PUT", path, {"a": 1}, token=ALICE)
    for _ in range(2):
        done = await client.request("DELETE", deletion, token=ALICE)
        assert (done.status, done.json) == (200, {})
        gone = await client.request("GET", path, token=ALICE)
        assert (gone.status, gone.json["errcode"]) == (404, "M_NOT_FOUND")
    await client.request("PUT", path, {"a": 2}, token=ALICE)
    assert (await client.request("GET", path, token=ALICE)).json == {"a": 2}


@pytest.mark.parametrize("path", [GLOBAL, IN_ROOM])
async def test_an_empty_object_is_as_good_as_none(path: str) -> None:
    client = PersonalServer().client
    await client.request("PUT", path, {"a": 1}, token=ALICE)
    assert (await client.request("PUT", path, raw_body=b" {\n} ", token=ALICE)).json == {}
    gone = await client.request("GET", path, token=ALICE)
    assert (gone.status, gone.json["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(("deletion", "path"), DELETED_PATHS)
async def test_nobody_deletes_the_data_of_others(deletion: str, path: str) -> None:
    client = PersonalServer().client
    await client.request("PUT", path, {"a": 1}, token=ALICE)
    refused = await client.request("DELETE", deletion, token=BOB)
    assert (refused.status, refused.json["errcode"]) == (403, "M_FORBIDDEN")
    assert (await client.request("DELETE", deletion)).status == 401
    assert (await client.request("GET", path, token=ALICE)).json == {"a": 1}


@pytest.mark.parametrize("type", ["m.fully_read", "m.push_rules"])
@pytest.mark.parametrize("where", ["", "/rooms/!room:hs"])
async def test_data_that_the_server_manages_is_not_deleted(type: str, where: str) -> None:
    client = PersonalServer().client
    refused = await client.request("DELETE", f"{DELETION}{where}/account_data/{type}", token=ALICE)
    assert (refused.status, refused.json["errcode"]) == (405, "M_BAD_JSON")


@pytest.mark.parametrize("path", ["rooms/room/account_data/m.direct", "account_data/" + "x" * 256])
async def test_what_is_deleted_must_have_a_name(path: str) -> None:
    client = PersonalServer().client
    refused = await client.request("DELETE", f"{DELETION}/{path}", token=ALICE)
    assert (refused.status, refused.json["errcode"]) == (400, "M_INVALID_PARAM")
