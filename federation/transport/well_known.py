"""To whom a host delegates its Matrix server: ``/.well-known/matrix/server``.

Server-server API, "Resolving server names", step 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import attrs
import msgspec
import structlog

from federation.transport.errors import BrokenAnswer, OutboundError
from federation.transport.expiring_cache import ExpiringCache
from federation.transport.messages import Answer, Limits
from federation.transport.outbound_http import OutboundHttp
from federation.transport.single_flight import SingleFlight
from federation.transport.urls import get_url
from homeserver.domain.errors import InvalidParam
from homeserver.domain.server_name_parts import ServerNameParts, split_server_name
from homeserver.ports.clock import Clock

PATH: Final = "/.well-known/matrix/server"
MAX_BYTES: Final = 51_200
TIMEOUT_SECONDS: Final = 15.0
MAX_CACHED: Final = 20_000

FIRST_RETRY_SECONDS: Final = 60.0
"""How long the first failure is remembered; each further one twice as long as the one before."""

STALE_SECONDS: Final = 3_600.0
"""How long after its end a delegation is used while it cannot be renewed."""

log = structlog.get_logger(__name__)

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[,\s])no-(?:cache|store)\b", re.IGNORECASE)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@attrs.frozen
class Lifetimes:
    """How long answers are remembered, in seconds, whatever their headers say."""

    default_seconds: float = 86_400.0
    min_seconds: float = 60.0
    max_seconds: float = 172_800.0
    max_error_seconds: float = 3_600.0


@attrs.frozen
class _Found:
    """What was found out; ``failures`` counts the attempts in a row that failed."""

    delegated: ServerNameParts | None
    failures: int = 0


class WellKnown:
    """Finds out, and remembers, who serves a host."""

    def __init__(
        self,
        http: OutboundHttp,
        clock: Clock,
        random: Callable[[], float],
        lifetimes: Lifetimes = Lifetimes(),
    ) -> None:
        self._http = http
        self._clock = clock
        self._random = random
        self._lifetimes = lifetimes
        self._fresh: ExpiringCache[str, _Found] = ExpiringCache(clock, MAX_CACHED)
        # What was known before, for when it is not fresh any more.
        self._known: ExpiringCache[str, _Found] = ExpiringCache(clock, MAX_CACHED)
        self._runs: SingleFlight[str, _Found] = SingleFlight()

    async def delegate_of(self, host: str) -> ServerNameParts | None:
        """The server name that a host delegates to, or None when it does not delegate, or does so
        in a way that is not valid."""
        found = self._fresh.get(host)
        if found is None:
            found = await self._runs.run(host, lambda: self._find(host))
        return found.delegated

    async def _find(self, host: str) -> _Found:
        try:
            answer = await get_url(
                self._http,
                f"https://{host}{PATH}",
                Limits(TIMEOUT_SECONDS, MAX_BYTES),
                schemes=("https",),
            )
            delegated = _read(answer)
        except OutboundError as error:
            return self._note_failure(host, error)
        found = _Found(delegated)
        seconds = self._lifetime(answer.headers)
        self._fresh.put(host, found, self._jittered(seconds))
        self._known.put(host, found, seconds + STALE_SECONDS)
        return found

    def _note_failure(self, host: str, error: OutboundError) -> _Found:
        known = self._known.get(host) or _Found(None)
        log.debug("well_known_failed", host=host, reason=str(error), failures=known.failures + 1)
        found = attrs.evolve(known, failures=known.failures + 1)
        limit = self._lifetimes.max_error_seconds
        seconds = min(FIRST_RETRY_SECONDS * 2 ** min(known.failures, 20), limit)
        self._fresh.put(host, found, self._jittered(seconds))
        if found.delegated is None:
            self._known.put(host, found, 2 * limit)
        else:
            self._known.replace(host, found)
        return found

    def _jittered(self, seconds: float) -> float:
        """A little less: what was learnt together need not be asked again together."""
        return seconds * (1 - 0.1 * self._random())

    def _lifetime(self, headers: Mapping[str, str]) -> float:
        seconds = _stated_lifetime(headers, self._clock.now_ms() / 1000)
        limits = self._lifetimes
        if seconds is None:
            seconds = limits.default_seconds
        return min(max(seconds, limits.min_seconds), limits.max_seconds)


def _read(answer: Answer) -> ServerNameParts:
    if answer.status != 200:
        raise BrokenAnswer(f"the status is {answer.status}")
    try:
        server = _decode(answer.body)["m.server"]
        if not isinstance(server, str):
            raise BrokenAnswer("m.server is not a string")
        return split_server_name(server)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenAnswer("the answer is not a JSON object") from error
    except KeyError as error:
        raise BrokenAnswer("the answer has no m.server") from error
    except InvalidParam as error:
        raise BrokenAnswer("m.server is not a server name") from error


def _stated_lifetime(headers: Mapping[str, str], now: float) -> float | None:
    """What Cache-Control or Expires say, in seconds; None when they say nothing."""
    control = headers.get("cache-control", "")
    if _NO_CACHE.search(control):
        return 0.0
    max_age = _MAX_AGE.search(control)
    if max_age is not None:
        return float(max_age[1])
    expires = headers.get("expires")
    if expires is None:
        return None
    try:
        return max(0.0, parsedate_to_datetime(expires).timestamp() - now)
    except (ValueError, OverflowError):
        # "Especially the value 0" means that it has expired (RFC 9111, section 5.3).
        return 0.0
