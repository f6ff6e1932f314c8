"""Push rules over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from homeserver.domain.push_rules import UserPushRules
from tests.homeserver.personal_server import ALICE, BOB, PersonalServer
from tests.http_requests import Response

RULES = "/_matrix/client/v3/pushrules/"
CAKE = f"{RULES}global/content/cake"
MASTER = f"{RULES}global/override/.m.rule.master"


async def ask(
    server: PersonalServer, method: str, path: str, body: Any = None, token: str | None = ALICE
) -> Response:
    return await server.client.request(method, path, body, token=token)


async def order(server: PersonalServer, kind: str = "content") -> list[str]:
    rules = await ask(server, "GET", f"{RULES}global/")
    return [rule["rule_id"] for rule in rules.json[kind]]


async def put_words(server: PersonalServer, *words: str) -> None:
    for word in words:
        body = {"pattern": word, "actions": ["notify"]}
        assert (await ask(server, "PUT", f"{RULES}global/content/{word}", body)).status == 200


async def test_all_rules_are_read_with_and_without_a_slash_at_the_end() -> None:
    server = PersonalServer()
    rules = UserPushRules().to_json(ALICE)
    for path in (RULES, RULES.rstrip("/"), RULES.replace("v3", "r0")):
        assert (await ask(server, "GET", path)).json == rules
    for path in (f"{RULES}global/", f"{RULES}global"):
        assert (await ask(server, "GET", path)).json == rules["global"]


async def test_a_rule_is_made_read_updated_and_deleted() -> None:
    server = PersonalServer()
    assert (await ask(server, "PUT", CAKE, {"pattern": "cake", "actions": ["notify"]})).json == {}
    rule = {
        "rule_id": "cake",
        "default": False,
        "enabled": True,
        "actions": ["notify"],
        "pattern": "cake",
    }
    assert (await ask(server, "GET", CAKE)).json == rule
    await ask(server, "PUT", CAKE, {"pattern": "cake*", "actions": []})
    assert (await ask(server, "GET", CAKE)).json == {**rule, "pattern": "cake*", "actions": []}
    assert await order(server) == ["cake"]
    other = await ask(server, "GET", CAKE, token=BOB)
    assert (other.status, other.json["errcode"]) == (404, "M_NOT_FOUND")
    assert (await ask(server, "DELETE", CAKE)).json == {}
    for method in ("GET", "DELETE"):
        gone = await ask(server, method, CAKE)
        assert (gone.status, gone.json["errcode"]) == (404, "M_NOT_FOUND")


async def test_rules_are_put_before_and_after_others() -> None:
    server = PersonalServer()
    await put_words(server, "c", "a")
    body = {"pattern": "b", "actions": []}
    await ask(server, "PUT", f"{RULES}global/content/b?before=c", body)
    assert await order(server) == ["a", "b", "c"]
    await ask(server, "PUT", f"{RULES}global/content/b?after=c", body)
    assert await order(server) == ["a", "c", "b"]
    await ask(server, "PUT", f"{RULES}global/content/b?after=c&before=a", body)
    assert await order(server) == ["b", "a", "c"]


async def test_a_rule_is_disabled_and_enabled() -> None:
    server = PersonalServer()
    await put_words(server, "cake")
    for path, enabled in ((CAKE, True), (MASTER, False)):
        assert (await ask(server, "GET", f"{path}/enabled")).json == {"enabled": enabled}
        body = {"enabled": not enabled}
        assert (await ask(server, "PUT", f"{path}/enabled", body)).json == {}
        assert (await ask(server, "GET", f"{path}/enabled")).json == body
        assert (await ask(server, "GET", path)).json["enabled"] is not enabled


async def test_the_actions_of_a_rule_change() -> None:
    server = PersonalServer()
    path = f"{RULES}global/underride/.m.rule.message/actions"
    actions = {"actions": ["notify", {"set_tweak": "sound", "value": "ping"}]}
    assert (await ask(server, "GET", path)).json == {"actions": ["notify"]}
    assert (await ask(server, "PUT", path, actions)).json == {}
    assert (await ask(server, "GET", path)).json == actions


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "errcode"),
    [
        ("GET", "global/device/cake", None, 400, "M_INVALID_PARAM"),
        ("GET", "global/content/cake/enabled", None, 404, "M_NOT_FOUND"),
        ("GET", "global/content/cake/actions", None, 404, "M_NOT_FOUND"),
        ("GET", "device/content/cake", None, 404, "M_UNRECOGNIZED"),
        ("POST", "global/content/cake", {}, 405, "M_UNRECOGNIZED"),
        ("PUT", "global/content/cake", {"pattern": "cake"}, 400, "M_MISSING_PARAM"),
        ("PUT", "global/content/cake", {"actions": []}, 400, "M_MISSING_PARAM"),
        ("PUT", "global/content/cake", {"actions": "notify", "pattern": "x"}, 400, "M_BAD_JSON"),
        ("PUT", "global/content/cake", [], 400, "M_BAD_JSON"),
        ("PUT", "global/override/x", {"actions": [], "conditions": 7}, 400, "M_BAD_JSON"),
        ("PUT", "global/content/.cake", {"actions": [], "pattern": "x"}, 400, "M_INVALID_PARAM"),
        ("PUT", "global/content/a%2Fb", {"actions": [], "pattern": "x"}, 400, "M_INVALID_PARAM"),
        ("PUT", "global/content/a%5Cb", {"actions": [], "pattern": "x"}, 400, "M_INVALID_PARAM"),
        (
            "PUT",
            "global/content/cake?before=tea",
            {"actions": [], "pattern": "x"},
            400,
            "M_UNKNOWN",
        ),
        (
            "PUT",
            "global/override/cake?after=.m.rule.master",
            {"actions": []},
            400,
            "M_INVALID_PARAM",
        ),
        ("PUT", "global/content/cake/enabled", {"enabled": True}, 404, "M_NOT_FOUND"),
        ("PUT", "global/content/cake/enabled", {"enabled": 1}, 400, "M_BAD_JSON"),
        ("PUT", "global/content/cake/enabled", {}, 400, "M_MISSING_PARAM"),
        ("PUT", "global/content/cake/actions", {"actions": []}, 404, "M_NOT_FOUND"),
        ("PUT", "global/content/cake/actions", {"actions": [7]}, 400, "M_BAD_JSON"),
        ("DELETE", "global/override/.m.rule.master", None, 400, "M_INVALID_PARAM"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    method: str, path: str, body: Any, status: int, errcode: str
) -> None:
    server = PersonalServer()
    response = await ask(server, method, RULES + path, body)
    assert (response.status, response.json["errcode"]) == (status, errcode)
    assert server.entries == []


async def test_rules_are_for_users_who_say_who_they_are() -> None:
    assert (await ask(PersonalServer(), "GET", RULES, token=None)).status == 401
