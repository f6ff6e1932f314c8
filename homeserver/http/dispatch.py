"""From a request to its answer: route, authenticate, limit, parse, handle, map errors."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from twisted.internet.defer import CancelledError

from homeserver.domain.errors import (
    DatabaseUnavailable,
    GuestAccessForbidden,
    InternalError,
    InvalidParam,
    MatrixError,
    MissingToken,
    StorageFull,
    TooLarge,
)
from homeserver.http.answers import Answer, error_answer
from homeserver.http.authentication import Authenticator, bearer_token
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
    ) -> None:
        self.router = router
        self.limits = limits
        self._authenticator = authenticator
        self._rates = limits.rates
        self._shedding = limits.shedding
        self.observe = observe

    async def answer(self, route: Route, request: Request) -> Answer:
        """The answer to a routed request, errors included.

        Raises CancelledError when it is cancelled, as its client has gone.
        """
        try:
            self._shedding.check(route.rate)
            await self._authorise(route, request)
            if not route.streams_body and request.content_length > self.limits.max_body_bytes:
                raise TooLarge()
            if route.body is None:
                return await route.handler(request)
            return await route.handler(request, request.body_as(route.body))
        except CancelledError:
            raise
        except Exception as error:
            return error_answer(self._as_matrix_error(error, request))

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
        token = bearer_token(
            request.headers,
            request.query_value("access_token") if "access_token" in request.query_string else None,
        )
        if token is None:
            if route.access is Access.OPTIONAL:
                self._spend(route, request.address)
                return
            raise MissingToken()
        requester = self._authenticator.remembered(token)
        if requester is None:
            # An address that guesses tokens pays before the database is asked.
            self._rates.spend(RateClass.GENERAL, request.address)
            requester = await self._authenticator.authenticate(token)
        if requester.is_guest and route.access is Access.USER:
            raise GuestAccessForbidden()
        request.authenticate_as(requester)
        self._authenticator.note_use(
            requester, request.address, request.headers.get("user-agent") or "", request.received_ms
        )
        self._spend(route, requester.user_id)

    def _spend(self, route: Route, who: str) -> None:
        if route.rate is not RateClass.NONE:
            self._rates.spend(route.rate, who)
