"""From a request to its answer: route, authenticate, limit, parse, handle, map errors."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from twisted.internet.defer import CancelledError

from homeserver.domain.errors import (
    DatabaseUnavailable,
    Forbidden,
    GuestAccessForbidden,
    InternalError,
    InvalidParam,
    MatrixError,
    MissingToken,
    StorageFull,
    TooLarge,
)
from homeserver.http.answers import Answer, error_answer
from homeserver.http.authentication import (
    Authenticator,
    NoOrigins,
    OriginAuthenticator,
    bearer_token,
)
from homeserver.http.limits import RequestLimits
from homeserver.http.request import Request
from homeserver.http.router import Router
from homeserver.http.routes import Access, RateClass, Route
from homeserver.ports.database import DatabaseDown, DatabaseFull, UnstorableText

log = structlog.get_logger(__name__)


class Dispatcher:
    """Answers every request of a listener, whatever happens."""

    def __init__(
        self,
        router: Router,
        authenticator: Authenticator,
        limits: RequestLimits,
        observe: Callable[[Route | None, str, int, float], None],
        origins: OriginAuthenticator | None = None,
        is_operator: Callable[[str], bool] = lambda token: False,
    ) -> None:
        self.router = router
        self.limits = limits
        self._authenticator = authenticator
        self._origins = origins or NoOrigins()
        self._is_operator = is_operator
        self._rates = limits.rates
        self._shedding = limits.shedding
        self.observe = observe

    def restricted(self, serves: Callable[[Route], bool]) -> Dispatcher:
        """A dispatcher that knows some of the routes only."""
        return Dispatcher(
            Router(route for route in self.router.routes if serves(route)),
            self._authenticator,
            self.limits,
            self.observe,
            self._origins,
            self._is_operator,
        )

    async def answer(self, route: Route, request: Request) -> Answer:
        """The answer to a routed request, errors included.

        Raises CancelledError when it is cancelled, as its client has gone.
        """
        try:
            self._shedding.check(route.rate)
            await self._authorise(route, request)
            if request.content_length and not route.streams_body:
                self._check_length(route, request)
            if route.body is None:
                return await route.handler(request)
            return await route.handler(request, request.body_as(route.body))
        except CancelledError:
            raise
        except Exception as error:
            return error_answer(self._as_matrix_error(error, request))

    def max_body_bytes(self, route: Route) -> int:
        """How large the JSON of an operation may be."""
        if route.max_body_bytes is not None:
            return route.max_body_bytes
        if route.access is Access.FEDERATION:
            return self.limits.max_signed_body_bytes
        return self.limits.max_body_bytes

    def _check_length(self, route: Route, request: Request) -> None:
        if request.content_length > self.max_body_bytes(route):
            raise TooLarge()

    def _as_matrix_error(self, error: Exception, request: Request) -> MatrixError:
        if isinstance(error, MatrixError):
            return error
        if isinstance(error, DatabaseDown):
            log.error("database_down", path=request.path, error=str(error))
            return DatabaseUnavailable(1000)
        if isinstance(error, UnstorableText):
            return InvalidParam("Text must not contain U+0000")
        if isinstance(error, DatabaseFull):
            log.error("database_full", path=request.path, error=str(error))
            return StorageFull()
        log.error("request_failed", method=request.method, path=request.path, exc_info=error)
        return InternalError()

    async def _authorise(self, route: Route, request: Request) -> None:
        if route.access is Access.PUBLIC:
            self._spend(route, request.address)
            return
        if route.access is Access.FEDERATION:
            # What is signed includes the body, which has to be read first.
            self._check_length(route, request)
            origin = await self._origins.authenticate(request)
            request.authenticate_origin(origin)
            self._spend(route, origin)
            return
        token = bearer_token(
            request.headers,
            request.query_value("access_token") if "access_token" in request.query_string else None,
        )
        if token is None:
            if route.access is Access.OPTIONAL:
                self._spend(route, request.address)
                return
            raise MissingToken()
        if route.access is Access.ADMIN and self._is_operator(token):
            self._spend(route, request.address)
            return
        requester = self._authenticator.remembered(token)
        if requester is None:
            # An address that guesses tokens pays before the database is asked.
            self._rates.spend(RateClass.GENERAL, request.address)
            requester = await self._authenticator.authenticate(token)
        if requester.is_guest and route.access is Access.USER:
            raise GuestAccessForbidden()
        if route.access is Access.ADMIN and not requester.is_admin:
            raise Forbidden("You are not a server administrator")
        request.authenticate_as(requester)
        self._authenticator.note_use(
            requester, request.address, request.headers.get("user-agent") or "", request.received_ms
        )
        self._spend(route, requester.user_id)

    def _spend(self, route: Route, who: str) -> None:
        if route.rate is not RateClass.NONE:
            self._rates.spend(route.rate, who)
