"""Servers that ask each other for keys, over HTTP on sockets of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred

from federation.http.keys import KeysApi
from federation.http.request_authentication import Hearing, RequestAuthentication
from federation.http.server_version import ServerVersionApi
from federation.keys.key_book import KeyBook
from federation.keys.key_fetching import KeyFetching
from federation.keys.key_ring import KeyRequest, KeyRing
from federation.keys.key_sources import Notary, NotarySource, OriginSource
from federation.keys.notary import KeyNotary
from federation.keys.own_keys import OwnKeys, RetiredKey
from federation.keys.signature_checker import SignatureChecker
from federation.transport.errors import DestinationUnavailable, RemoteError
from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.federation_peers import FederationPeers
from homeserver.domain.identifiers import ServerName
from homeserver.domain.requester import Requester
from homeserver.domain.signing import SigningKey, sign_json
from homeserver.domain.x_matrix import sign_request
from homeserver.http.answers import Answer, ok
from homeserver.http.dispatch import Dispatcher
from homeserver.http.limits import RequestLimits
from homeserver.http.rate_limits import Rate, RateLimiter
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Access, Api, RateClass, Route, route
from homeserver.ports.database import Transactions
from storage.engines.schema import migrate
from storage.engines.sqlite import SqliteDatabase
from storage.federation.server_keys import SqlServerKeyStore
from tests.clock import FakeClock
from tests.http_requests import Response, make_request
from tests.http_wire import HttpWire, run_here
from tests.storage.conftest import DirectTransactions

HERE: Final = ServerName("here.example")
THERE: Final = ServerName("there.example")
NOTARY: Final = ServerName("notary.example")

DAY_MS: Final = 24 * 3600 * 1000


class Network:
    """Who can be reached, and what was asked.

    See :class:`federation.keys.key_sources.RemoteServers`. While ``hold`` is set, answers wait.
    """

    def __init__(self) -> None:
        self.servers: dict[ServerName, Dispatcher] = {}
        self.asked: list[tuple[ServerName, str]] = []
        self.contents: list[JsonObject] = []
        self.hold: Deferred[None] | None = None

    async def get_json(
        self,
        destination: ServerName,
        path: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
        authenticated: bool = True,
    ) -> JsonObject:
        return await self._ask("GET", destination, path, b"", max_bytes, authenticated)

    async def post_json(
        self,
        destination: ServerName,
        path: str,
        content: JsonObject,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
        authenticated: bool = True,
    ) -> JsonObject:
        self.contents.append(content)
        body = json.dumps(content).encode()
        return await self._ask("POST", destination, path, body, max_bytes, authenticated)

    async def _ask(
        self,
        method: str,
        destination: ServerName,
        path: str,
        body: bytes,
        max_bytes: int | None,
        authenticated: bool,
    ) -> JsonObject:
        assert not authenticated, "a server that checks the signature would ask for our key"
        self.asked.append((destination, path))
        if self.hold is not None:
            waiting: Deferred[None] = Deferred()
            self.hold.addCallback(lambda _: waiting.callback(None))
            await waiting
        if destination not in self.servers:
            raise DestinationUnavailable(destination, "nobody is there")
        with HttpWire(self.servers[destination], max_upload_bytes=1) as wire:
            response = wire.request(method, path, body)
        if max_bytes is not None and len(response.body) > max_bytes:
            raise DestinationUnavailable(destination, "the answer is too long")
        content: Any = json.loads(response.body)
        if response.status != 200:
            raise RemoteError(destination, response.status, content["errcode"], "", {})
        assert isinstance(content, dict)
        return content


class NoUsers:
    """See :class:`homeserver.http.authentication.Authenticator`."""

    def remembered(self, token: str) -> Requester | None:
        raise AssertionError("these operations are not for users")

    async def authenticate(self, token: str) -> Requester:
        raise AssertionError("these operations are not for users")

    def note_use(self, requester: Requester, address: str, user_agent: str, now_ms: int) -> None:
        raise AssertionError("these operations are not for users")


class SignedApi:
    """Operations that tell who called them, and with what."""

    def routes(self) -> list[Route]:
        path = ("/_matrix/federation/v1/echo/{name}",)
        return [
            route(
                method,
                path,
                self.echo,
                section="",
                access=Access.FEDERATION,
                rate=RateClass.FEDERATION,
                max_body_bytes=200_000,
            )
            for method in ("GET", "PUT")
        ]

    async def echo(self, request: Request) -> Answer:
        return ok({"origin": request.origin, "content": request.body_object()})


class Says:
    """A server that answers whatever it is told to about keys."""

    def __init__(self, own: JsonObject | None = None, query: JsonObject | None = None) -> None:
        self.own = own
        self.query = query
        self.dispatcher = dispatcher_of([self])

    def routes(self) -> list[Route]:
        return [
            route(method, (path,), handler, section="", access=Access.PUBLIC)
            for method, path, handler in (
                ("GET", "/_matrix/key/v2/server", self._own),
                ("POST", "/_matrix/key/v2/query", self._query),
            )
        ]

    async def _own(self, request: Request) -> Answer:
        return ok(self.own)

    async def _query(self, request: Request) -> Answer:
        return ok(self.query)


def dispatcher_of(
    apis: list[Any],
    authentication: RequestAuthentication | None = None,
    limiter: RateLimiter | None = None,
) -> Dispatcher:
    limits = RequestLimits(limiter or RateLimiter({}, lambda: 0.0), 100_000)
    routes = [route for api in apis for route in api.routes()]
    return Dispatcher(Router(routes), NoUsers(), limits, lambda *_: None, authentication)


def key_response(
    server: ServerName,
    *keys: SigningKey,
    valid_until_ms: int,
    old: dict[str, tuple[SigningKey, int]] | None = None,
    **more: Any,
) -> JsonObject:
    """What a server publishes, signed by all its keys."""
    content: JsonObject = {
        "server_name": server,
        "verify_keys": {key.key_id: {"key": key.verify_key_base64} for key in keys},
        "old_verify_keys": {
            key_id: {"key": key.verify_key_base64, "expired_ts": expired_ms}
            for key_id, (key, expired_ms) in (old or {}).items()
        },
        "valid_until_ts": valid_until_ms,
        **more,
    }
    for key in keys:
        content = sign_json(content, server, key)
    return content


@attrs.frozen
class Setting:
    """What the servers of a test share."""

    network: Network
    clock: FakeClock
    directory: Path


class KeyServer:
    """A server as far as keys are concerned, which can be asked and asks others."""

    def __init__(
        self,
        setting: Setting,
        name: ServerName,
        *,
        keys: list[SigningKey] | None = None,
        retired: list[RetiredKey] | None = None,
        notaries: list[Notary] | None = None,
        peers: FederationPeers | None = None,
        rate: Rate | None = None,
    ) -> None:
        self.name = name
        self.clock = setting.clock
        self.network = setting.network
        self.keys = keys or [SigningKey.generate("a_1")]
        self.own = OwnKeys(name, self.keys, retired or [], setting.clock)
        self.database = SqliteDatabase(setting.directory / f"{name}.db", None)  # type: ignore[arg-type]
        migrate(self.database)
        self.transactions: Transactions = DirectTransactions(self.database)
        self.store = SqlServerKeyStore(self.transactions)
        self.heard_from: list[ServerName] = []
        self._notaries = notaries or []
        rates = {} if rate is None else {RateClass.FEDERATION: rate}
        self.limiter = RateLimiter(rates, setting.clock.monotonic)
        self._hearing = Hearing(
            peers or FederationPeers(None), self.limiter, self.heard_from.append
        )
        self.start()

    @property
    def key(self) -> SigningKey:
        return self.keys[0]

    def start(self) -> None:
        """Start, or start again with an empty memory."""
        clock = self.clock
        book = KeyBook(self.store)
        origins = KeyFetching(OriginSource(self.network, clock), book, clock)
        direct = KeyRing(self.own, book, [origins], clock)
        notaries = [
            KeyFetching(NotarySource(each, direct, self.network, run_here, clock), book, clock)
            for each in self._notaries
        ]
        self.ring = KeyRing(self.own, book, [origins, *notaries], clock)
        self.checker = SignatureChecker(self.ring, run_here)
        notary = KeyNotary(self.own, self.store, origins, run_here, clock)
        apis: list[Api] = [
            KeysApi(self.own, notary, clock),
            ServerVersionApi("1.2.3"),
            SignedApi(),
        ]
        authentication = RequestAuthentication(self.ring, self._hearing, run_here)
        self.dispatcher = dispatcher_of(apis, authentication, self.limiter)
        self.network.servers[self.name] = self.dispatcher

    async def key_of(
        self, server: ServerName, key_id: str, valid_at_ms: int | None = None
    ) -> str | None:
        """What the ring has for a key that is good now, or at some time."""
        at_ms = self.clock.now_ms() if valid_at_ms is None else valid_at_ms
        request = KeyRequest(server, key_id, at_ms)
        return (await self.ring.keys_for([request])).get(request)

    async def request(
        self, method: str, target: str, json_body: Any = None, **more: Any
    ) -> Response:
        """A request to this server."""
        route, parameters = self.dispatcher.router.find(method, target.partition("?")[0])
        request = make_request(
            method,
            target,
            json_body,
            parameters=parameters,
            received_ms=self.clock.now_ms(),
            **more,
        )
        answer = await self.dispatcher.answer(route, request)
        return Response(answer.status, json.loads(answer.body), {})

    def signed(
        self, method: str, target: str, destination: ServerName, body: bytes | None = None
    ) -> str:
        """The Authorization header of a request by this server. ``body`` is canonical JSON."""
        return sign_request(method, target, self.name, destination, self.key, body).header()
