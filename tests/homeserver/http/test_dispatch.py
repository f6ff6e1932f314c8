"""From a request to its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from twisted.internet.defer import CancelledError, Deferred

from homeserver.domain.errors import Forbidden, MissingToken, Unauthorized, UnknownToken, UserLocked
from homeserver.domain.identifiers import DeviceId, ServerName, UserId
from homeserver.domain.requester import Requester
from homeserver.http.answers import Answer, ok
from homeserver.http.dispatch import Dispatcher
from homeserver.http.limits import RequestLimits
from homeserver.http.overload import Shedding
from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Access, RateClass, Route, route
from homeserver.ports.database import DatabaseDown, DatabaseFull
from tests.clock import FakeClock
from tests.http_requests import Response, TestClient, make_request

ALICE = Requester(UserId("@alice:hs"), DeviceId("PHONE"), 1)
ADMIN = Requester(UserId("@admin:hs"), DeviceId("DESK"), 4, is_admin=True)
BOB = Requester(UserId("@bob:hs"), DeviceId("LAPTOP"), 2)
GUEST = Requester(UserId("@guest:hs"), DeviceId("WEB"), 3, is_guest=True)


class Tokens:
    """See :class:`homeserver.http.authentication.Authenticator`. ``cached`` says which tokens it
    knows without asking; ``used`` is who was seen, and from where."""

    def __init__(self) -> None:
        self.requesters = {"alice": ALICE, "bob": BOB, "guest": GUEST, "admin": ADMIN}
        self.cached: set[str] = set()
        self.asked: list[str] = []
        self.used: list[tuple[Requester, str, str]] = []

    def remembered(self, token: str) -> Requester | None:
        return self.requesters[token] if token in self.cached else None

    async def authenticate(self, token: str) -> Requester:
        self.asked.append(token)
        if token == "locked":
            raise UserLocked()
        if token not in self.requesters:
            raise UnknownToken()
        return self.requesters[token]

    def note_use(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        self.used.append((requester, address, user_agent))


class Origins:
    """See :class:`homeserver.http.authentication.OriginAuthenticator`: a server says its name."""

    async def authenticate(self, request: Request) -> ServerName:
        name = request.headers.get("authorization")
        if name is None:
            raise Unauthorized()
        return ServerName(name)


class Named(msgspec.Struct):
    name: str


class Surface:
    """An API whose handlers say who asked, or fail with ``error``."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls = 0

    def routes(self) -> list[Route]:
        return [
            *(
                route("GET", (f"/{access.name}",), self.who, access=access, section="")
                for access in Access
            ),
            route("PUT", ("/typing",), self.who, rate=RateClass.EPHEMERAL, section=""),
            route("PUT", ("/send",), self.who, rate=RateClass.MESSAGE, section=""),
            route("POST", ("/name",), self.named, body=Named, access=Access.PUBLIC, section=""),
            route(
                "POST",
                ("/upload",),
                self.who,
                access=Access.PUBLIC,
                rate=RateClass.NONE,
                section="",
                streams_body=True,
            ),
        ]

    async def who(self, request: Request) -> Answer:
        self.calls += 1
        if self.error is not None:
            raise self.error
        requester = request.requester_or_none
        return ok({"user_id": None if requester is None else requester.user_id})

    async def named(self, request: Request, body: Named) -> Answer:
        return ok({"name": body.name})


class Server:
    """A dispatcher and what is around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.tokens = Tokens()
        self.surface = Surface()
        self.rates = {
            RateClass.GENERAL: Rate(1, 3),
            RateClass.EPHEMERAL: Rate(1, 1),
        }
        self.client = TestClient(
            [self.surface],
            self.tokens,
            RateLimiter(self.rates, self.clock.monotonic),
            self.clock,
            max_body_bytes=100,
        )

    async def get(self, target: str, **how: Any) -> Response:
        return await self.client.request("GET", target, **how)


@pytest.fixture
def server() -> Server:
    return Server()


# --- who asks


async def test_anyone_may_call_a_public_operation_and_a_token_is_not_looked_at(
    server: Server,
) -> None:
    assert (await server.get("/PUBLIC")).json == {"user_id": None}
    assert (await server.get("/PUBLIC", token="nonsense")).json == {"user_id": None}
    assert server.tokens.asked == []


async def test_where_a_token_is_optional_one_that_is_sent_must_be_valid(server: Server) -> None:
    assert (await server.get("/OPTIONAL")).json == {"user_id": None}
    assert (await server.get("/OPTIONAL", token="guest")).json == {"user_id": "@guest:hs"}
    assert (await server.get("/OPTIONAL", token="nonsense")).status == 401


@pytest.mark.parametrize("operation", ["USER", "GUEST"])
async def test_a_user_is_known_by_their_token(server: Server, operation: str) -> None:
    assert (await server.get(f"/{operation}", token="alice")).json == {"user_id": "@alice:hs"}


@pytest.mark.parametrize("operation", ["USER", "GUEST"])
async def test_without_a_token_nobody_is_let_in(server: Server, operation: str) -> None:
    response = await server.get(f"/{operation}")
    assert (response.status, response.json["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_an_unknown_token_lets_nobody_in(server: Server) -> None:
    response = await server.get("/USER", token="nonsense")
    assert (response.status, response.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    assert server.surface.calls == 0


async def test_guests_may_do_what_is_for_guests_only(server: Server) -> None:
    assert (await server.get("/GUEST", token="guest")).status == 200
    response = await server.get("/USER", token="guest")
    assert (response.status, response.json["errcode"]) == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_what_is_for_administrators_is_for_nobody_else(server: Server) -> None:
    assert (await server.get("/ADMIN", token="admin")).json == {"user_id": "@admin:hs"}
    for token, status in (("alice", 403), ("guest", 403), ("nonsense", 401), (None, 401)):
        assert (await server.get("/ADMIN", token=token)).status == status
        server.clock.advance(10)
    assert server.surface.calls == 1


async def test_whoever_runs_the_server_may_do_what_administrators_may_and_nothing_else() -> None:
    server = Server()
    dispatcher = Dispatcher(
        server.client.dispatcher.router,
        server.tokens,
        server.client.dispatcher.limits,
        lambda route, method, status, seconds: None,
        is_operator=lambda token: token == "operator",
    )
    server.client.dispatcher = dispatcher.restricted(lambda route: True)
    assert (await server.get("/ADMIN", token="operator")).json == {"user_id": None}
    for operation, token in (
        ("ADMIN", "other"),
        ("USER", "operator"),
        ("GUEST", "operator"),
        ("OPTIONAL", "operator"),
    ):
        server.clock.advance(10)
        assert (await server.get(f"/{operation}", token=token)).status == 401


async def test_a_token_in_the_query_counts_too(server: Server) -> None:
    assert (await server.get("/USER?access_token=bob")).json == {"user_id": "@bob:hs"}


async def test_a_token_in_the_header_wins_over_one_in_the_query(server: Server) -> None:
    response = await server.get("/USER?access_token=bob", token="alice")
    assert response.json == {"user_id": "@alice:hs"}


@pytest.mark.parametrize(
    ("header", "status"),
    [("bearer alice", 200), ("BEARER  alice ", 200), ("Basic alice", 401), ("alice", 401)],
)
async def test_the_header_names_its_scheme(server: Server, header: str, status: int) -> None:
    response = await server.get("/USER", headers={"Authorization": header})
    assert response.status == status


@pytest.mark.parametrize("header", ["Bearer ", "Bearer"])
async def test_an_empty_token_is_no_token(server: Server, header: str) -> None:
    response = await server.get("/USER", headers={"Authorization": header})
    assert response.status == 401


async def test_a_token_seen_before_is_not_asked_for_again(server: Server) -> None:
    server.tokens.cached.add("alice")
    assert (await server.get("/USER", token="alice")).status == 200
    assert server.tokens.asked == []


async def test_where_and_with_what_a_user_was_seen_is_noted(server: Server) -> None:
    await server.get(
        "/USER", token="alice", address="198.51.100.7", headers={"User-Agent": "Element"}
    )
    assert server.tokens.used == [(ALICE, "198.51.100.7", "Element")]


async def test_what_authentication_refuses_is_the_answer(server: Server) -> None:
    response = await server.get("/USER", token="locked")
    assert (response.status, response.json["errcode"]) == (401, "M_USER_LOCKED")


# --- how often


async def test_a_user_has_a_budget_wherever_they_are(server: Server) -> None:
    server.tokens.cached.add("alice")
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        assert (await server.get("/USER", token="alice", address=address)).status == 200
    assert (await server.get("/USER", token="alice", address="192.0.2.4")).status == 429


async def test_users_at_one_address_do_not_share_a_budget(server: Server) -> None:
    server.tokens.cached |= {"alice", "bob"}
    for _ in range(3):
        assert (await server.get("/USER", token="alice")).status == 200
    assert (await server.get("/USER", token="bob")).status == 200


async def test_strangers_at_one_address_share_a_budget(server: Server) -> None:
    for operation in ("/PUBLIC", "/OPTIONAL", "/PUBLIC"):
        assert (await server.get(operation)).status == 200
    assert (await server.get("/OPTIONAL")).status == 429
    assert (await server.get("/OPTIONAL", address="192.0.2.2")).status == 200


async def test_who_exceeds_a_limit_is_told_when_to_come_back(server: Server) -> None:
    for _ in range(3):
        await server.get("/PUBLIC")
    response = await server.get("/PUBLIC")
    assert response.status == 429
    assert response.json["errcode"] == "M_LIMIT_EXCEEDED"
    assert 0 < response.json["retry_after_ms"] <= 1001
    assert response.headers["Retry-After"] in {"1", "2"}

    server.clock.advance(response.json["retry_after_ms"] / 1000)
    assert (await server.get("/PUBLIC")).status == 200


async def test_kinds_of_action_have_budgets_of_their_own(server: Server) -> None:
    server.tokens.cached.add("alice")
    put = server.client.request
    assert (await put("PUT", "/typing", token="alice")).status == 200
    assert (await put("PUT", "/typing", token="alice")).status == 429
    assert (await put("PUT", "/send", token="alice")).status == 200


async def test_guessing_tokens_is_limited_before_the_database_is_asked(server: Server) -> None:
    statuses = [(await server.get("/USER", token=f"guess{n}")).status for n in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert len(server.tokens.asked) == 3


# --- what it says


async def test_a_body_reaches_the_handler_as_its_model(server: Server) -> None:
    response = await server.client.request("POST", "/name", {"name": "a"})
    assert response.json == {"name": "a"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"{}", "M_MISSING_PARAM"),
        (b"", "M_MISSING_PARAM"),
    ],
)
async def test_a_body_that_is_not_the_model_is_refused(
    server: Server, raw: bytes, code: str
) -> None:
    response = await server.client.request("POST", "/name", raw_body=raw)
    assert (response.status, response.json["errcode"]) == (400, code)


async def test_a_body_beyond_the_limit_is_too_large_unless_it_is_an_upload(server: Server) -> None:
    response = await server.client.request("POST", "/name", raw_body=b"x" * 101)
    assert (response.status, response.json["errcode"]) == (413, "M_TOO_LARGE")
    assert (await server.client.request("POST", "/upload", raw_body=b"x" * 101)).status == 200


# --- what goes wrong


async def test_an_error_of_the_specification_is_the_answer(server: Server) -> None:
    server.surface.error = Forbidden("Not here", reason="x")
    response = await server.get("/PUBLIC")
    assert response.status == 403
    assert response.json == {"errcode": "M_FORBIDDEN", "error": "Not here", "reason": "x"}


async def test_while_the_database_is_away_clients_are_told_to_come_back(server: Server) -> None:
    server.surface.error = DatabaseDown("connection to 10.0.0.3 refused")
    with capture_logs() as logs:
        response = await server.get("/PUBLIC")
    assert response.status == 503
    assert response.json == {
        "errcode": "M_LIMIT_EXCEEDED",
        "error": "The database is not available, try again later",
        "retry_after_ms": 1000,
    }
    assert response.headers["Retry-After"] == "1"
    assert [line["event"] for line in logs] == ["database_down"]


async def test_while_the_disk_is_full_clients_are_told_so(server: Server) -> None:
    server.surface.error = DatabaseFull("could not extend file")
    response = await server.get("/PUBLIC")
    assert (response.status, response.json["errcode"]) == (507, "M_RESOURCE_LIMIT_EXCEEDED")
    assert "extend" not in response.json["error"]


async def test_a_fault_of_the_server_is_logged_and_not_shown(server: Server) -> None:
    fault = KeyError("secret")
    server.surface.error = fault
    with capture_logs() as logs:
        response = await server.get("/PUBLIC")
    assert response.status == 500
    assert response.json == {"errcode": "M_UNKNOWN", "error": "Internal server error"}
    (line,) = logs
    assert (line["event"], line["path"], line["exc_info"]) == ("request_failed", "/PUBLIC", fault)


# --- requests of other servers


def surface_for_servers(origins: Origins | None) -> Callable[[Request], Deferred[Answer]]:
    class Federation(Surface):
        async def who(self, request: Request) -> Answer:
            return ok({"origin": request.origin})

    surface = Federation()
    limits = RequestLimits(RateLimiter({RateClass.GENERAL: Rate(1, 2)}, lambda: 0.0), 100)
    dispatcher = Dispatcher(Router(surface.routes()), Tokens(), limits, lambda *_: None, origins)
    route, _ = dispatcher.router.find("GET", "/FEDERATION")
    return lambda request: Deferred.fromCoroutine(dispatcher.answer(route, request))


async def test_handlers_know_which_server_asks() -> None:
    ask = surface_for_servers(Origins())
    request = make_request("GET", "/FEDERATION", headers={"Authorization": "hs.example"})
    assert (await ask(request)).body == b'{"origin":"hs.example"}'
    with pytest.raises(MissingToken):
        _ = request.requester
    assert (await ask(make_request("GET", "/FEDERATION"))).status == 401


async def test_servers_have_budgets() -> None:
    ask = surface_for_servers(Origins())
    found = []
    for name in ("a.example", "a.example", "a.example", "b.example"):
        headers = {"Authorization": name}
        found.append((await ask(make_request("GET", "/FEDERATION", headers=headers))).status)
    assert found == [200, 200, 429, 200]


async def test_servers_may_send_more_than_clients() -> None:
    surface = Surface()
    limits = RequestLimits(RateLimiter({}, lambda: 0.0), 100, max_signed_body_bytes=200)
    dispatcher = Dispatcher(Router(surface.routes()), Tokens(), limits, lambda *_: None, Origins())
    small = route("PUT", ("/small",), surface.who, section="", max_body_bytes=50)
    routes = [*dispatcher.router.routes, small]
    found = {each.paths[0]: dispatcher.max_body_bytes(each) for each in routes}
    assert (found["/FEDERATION"], found["/USER"], found["/small"]) == (200, 100, 50)


async def test_without_federation_no_server_is_believed() -> None:
    ask = surface_for_servers(None)
    response = await ask(make_request("GET", "/FEDERATION", headers={"Authorization": "a"}))
    assert response.status == 401


async def test_other_operations_have_no_origin() -> None:
    with pytest.raises(Unauthorized):
        _ = make_request("GET", "/PUBLIC").origin


async def test_a_dispatcher_can_be_restricted() -> None:
    limits = RequestLimits(RateLimiter({}, lambda: 0.0), 100)
    whole = Dispatcher(Router(Surface().routes()), Tokens(), limits, lambda *_: None)
    part = whole.restricted(lambda route: route.access is Access.PUBLIC)
    assert {route.access for route in part.router.routes} == {Access.PUBLIC}


# --- overload and cancellation


def dispatcher_for(surface: Surface, shedding: Shedding) -> Callable[[str], Deferred[Answer]]:
    limits = RequestLimits(RateLimiter({}, lambda: 0.0), 100, shedding=shedding)
    dispatcher = Dispatcher(Router(surface.routes()), Tokens(), limits, lambda *_: None)
    return lambda path: Deferred.fromCoroutine(_answer(dispatcher, path))


async def _answer(dispatcher: Dispatcher, path: str) -> Answer:
    route, _ = dispatcher.router.find("PUT", path)
    return await dispatcher.answer(route, make_request("PUT", path, token="alice"))


async def test_an_overloaded_server_refuses_before_it_does_anything() -> None:
    surface = Surface()
    ask = dispatcher_for(surface, Shedding(lambda: 1.0, 0.5, 2.0))
    refused = await ask("/typing")
    assert refused.status == 503
    assert (b"Retry-After", b"2") in refused.headers
    assert surface.calls == 0
    assert (await ask("/send")).status == 200


async def test_a_cancelled_request_has_no_answer_and_is_no_fault() -> None:
    class Waits(Surface):
        async def who(self, request: Request) -> Answer:
            await Deferred()
            raise AssertionError

    answering = dispatcher_for(Waits(), Shedding(lambda: 0.0, 1, 1))("/send")
    with capture_logs() as logs:
        answering.cancel()
        with pytest.raises(CancelledError):
            await answering
    assert logs == []
