"""Push rules.

Client-server API, push notifications, "Push Rules: API".
"""

from __future__ import annotations

from typing import Any

import msgspec

from homeserver.domain.push_rules import RuleActions, RuleKind, parse_rule, parse_rule_kind
from homeserver.http.answers import EMPTY, Answer, ok
from homeserver.http.request import Request
from homeserver.http.routes import Route, client, route
from homeserver.services.personal.push_rules import PushRules

_SECTION = "Push Rules: API"


class EnabledBody(msgspec.Struct):
    """The body of ``PUT /pushrules/global/{kind}/{ruleId}/enabled``."""

    enabled: bool


class ActionsBody(msgspec.Struct):
    """The body of ``PUT /pushrules/global/{kind}/{ruleId}/actions``."""

    actions: list[Any]


class PushRulesApi:
    """What notifies the user."""

    def __init__(self, push_rules: PushRules) -> None:
        self._push_rules = push_rules

    def routes(self) -> list[Route]:
        """See :class:`homeserver.http.routes.Api`."""
        # Some clients leave out the slash at the end.
        all_rules = (*client("/pushrules/"), *client("/pushrules"))
        global_rules = (*client("/pushrules/global/"), *client("/pushrules/global"))
        rule = client("/pushrules/global/{kind}/{ruleId}")
        enabled = client("/pushrules/global/{kind}/{ruleId}/enabled")
        actions = client("/pushrules/global/{kind}/{ruleId}/actions")
        return [
            route("GET", all_rules, self.all, section=_SECTION),
            route("GET", global_rules, self.all_global, section=_SECTION),
            route("GET", rule, self.get, section=_SECTION),
            route("PUT", rule, self.put, section=_SECTION),
            route("DELETE", rule, self.delete, section=_SECTION),
            route("GET", enabled, self.get_enabled, section=_SECTION),
            route("PUT", enabled, self.put_enabled, body=EnabledBody, section=_SECTION),
            route("GET", actions, self.get_actions, section=_SECTION),
            route("PUT", actions, self.put_actions, body=ActionsBody, section=_SECTION),
        ]

    async def all(self, request: Request) -> Answer:
        """``GET /pushrules/``"""
        return ok((await self._push_rules.of(request.user_id)).to_json(request.user_id))

    async def all_global(self, request: Request) -> Answer:
        """``GET /pushrules/global/``"""
        rules = await self._push_rules.of(request.user_id)
        return ok(rules.ruleset.to_json(request.user_id))

    async def get(self, request: Request) -> Answer:
        """``GET /pushrules/global/{kind}/{ruleId}``"""
        rules = await self._push_rules.of(request.user_id)
        return ok(rules.rule(*_rule(request)).to_json(request.user_id))

    async def put(self, request: Request) -> Answer:
        """``PUT /pushrules/global/{kind}/{ruleId}``"""
        rule = parse_rule(*_rule(request), request.body_object())
        await self._push_rules.put(
            request.user_id,
            rule,
            before=request.query_value("before"),
            after=request.query_value("after"),
        )
        return EMPTY

    async def delete(self, request: Request) -> Answer:
        """``DELETE /pushrules/global/{kind}/{ruleId}``"""
        await self._push_rules.delete(request.user_id, *_rule(request))
        return EMPTY

    async def get_enabled(self, request: Request) -> Answer:
        """``GET /pushrules/global/{kind}/{ruleId}/enabled``"""
        rules = await self._push_rules.of(request.user_id)
        return ok({"enabled": rules.rule(*_rule(request)).enabled})

    async def put_enabled(self, request: Request, body: EnabledBody) -> Answer:
        """``PUT /pushrules/global/{kind}/{ruleId}/enabled``"""
        await self._push_rules.set_enabled(request.user_id, *_rule(request), body.enabled)
        return EMPTY

    async def get_actions(self, request: Request) -> Answer:
        """``GET /pushrules/global/{kind}/{ruleId}/actions``"""
        rules = await self._push_rules.of(request.user_id)
        return ok({"actions": rules.rule(*_rule(request)).actions.to_json()})

    async def put_actions(self, request: Request, body: ActionsBody) -> Answer:
        """``PUT /pushrules/global/{kind}/{ruleId}/actions``"""
        actions = RuleActions.parse(body.actions)
        await self._push_rules.set_actions(request.user_id, *_rule(request), actions)
        return EMPTY


def _rule(request: Request) -> tuple[RuleKind, str]:
    return parse_rule_kind(request.parameters["kind"]), request.parameters["ruleId"]
