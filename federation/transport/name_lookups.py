"""Looking names up: addresses in the hosts file and in DNS, services in DNS alone."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectionLost
from twisted.names import client, dns, hosts
from twisted.names.error import DNSNameError, DNSQueryTimeoutError, DomainError
from twisted.python.filepath import FilePath

from federation.transport.errors import NameNotResolved
from federation.transport.expiring_cache import ExpiringCache
from federation.transport.single_flight import SingleFlight
from homeserver.domain.address_ranges import IpAddress
from homeserver.ports.clock import Clock

HOSTS_FILE: Final = Path("/etc/hosts")
RESOLV_CONF: Final = Path("/etc/resolv.conf")

MAX_CACHED: Final = 10_000
MAX_ADDRESSES: Final = 16
MAX_SERVICES: Final = 16
"""How many records of an answer are looked at."""

MIN_TTL_SECONDS: Final = 5
MAX_TTL_SECONDS: Final = 3_600
ABSENT_SECONDS: Final = 300
"""How long it is remembered that there is nothing."""

_TIMEOUTS_SECONDS: Final = (1, 2, 4)
_NAME = re.compile(r"(?=.{1,253}\.?\Z)(?:[0-9a-z_](?:[0-9a-z_-]{0,62})\.)*[0-9a-z_-]{1,63}\.?")

_Records = list[tuple[int, Any]]


@attrs.frozen
class ServiceRecord:
    """An SRV record (RFC 2782). A ``target`` without characters says that there is no service."""

    priority: int
    weight: int
    port: int
    target: str


class NameLookups:
    """Asks the name servers and remembers what they say for as long as they say."""

    def __init__(
        self,
        reactor: Any,
        clock: Clock,
        *,
        servers: Sequence[tuple[str, int]] | None = None,
        hosts_file: Path = HOSTS_FILE,
    ) -> None:
        """``servers`` are addresses and ports to ask instead of those in /etc/resolv.conf."""
        self._resolver = client.Resolver(
            resolv=None if servers is not None else str(RESOLV_CONF),
            servers=None if servers is None else list(servers),
            timeout=_TIMEOUTS_SECONDS,
            reactor=reactor,
        )
        self._hosts_file = FilePath(str(hosts_file))
        self._addresses: ExpiringCache[str, tuple[IpAddress, ...]] = ExpiringCache(
            clock, MAX_CACHED
        )
        self._services: ExpiringCache[str, tuple[ServiceRecord, ...]] = ExpiringCache(
            clock, MAX_CACHED
        )
        self._address_runs: SingleFlight[str, tuple[IpAddress, ...]] = SingleFlight()
        self._service_runs: SingleFlight[str, tuple[ServiceRecord, ...]] = SingleFlight()

    async def addresses(self, host: str) -> tuple[IpAddress, ...]:
        """The addresses of a host, at least one. Raises NameNotResolved."""
        host = _checked(host)
        found = self._addresses.get(host)
        if found is None:
            found = await self._address_runs.run(host, lambda: self._find_addresses(host))
        if not found:
            raise NameNotResolved(f"{host} has no address")
        return found

    async def services(self, name: str) -> tuple[ServiceRecord, ...]:
        """The SRV records of a name; none if there are none. Raises NameNotResolved when it cannot
        be found out."""
        name = _checked(name)
        found = self._services.get(name)
        if found is None:
            found = await self._service_runs.run(name, lambda: self._find_services(name))
        return found

    async def _find_addresses(self, host: str) -> tuple[IpAddress, ...]:
        written_down = hosts.searchFileForAll(self._hosts_file, host.encode())
        if written_down:
            return _parsed(written_down)
        # IPv4 first: whoever has both can be reached there, even where IPv6 is half set up.
        both = _started(
            _answers(self._resolver.lookupAddress(host), dns.A, host),
            _answers(self._resolver.lookupIPV6Address(host), dns.AAAA, host),
        )
        records: _Records = []
        failure: NameNotResolved | None = None
        for running in both:
            try:
                records += await running
            except NameNotResolved as error:
                failure = error
        if not records and failure is not None:
            raise failure
        found = _parsed(payload.address for _, payload in records[:MAX_ADDRESSES])
        self._addresses.put(host, found, _lifetime(records))
        return found

    async def _find_services(self, name: str) -> tuple[ServiceRecord, ...]:
        records = await _answers(self._resolver.lookupService(name), dns.SRV, name)
        found = tuple(
            ServiceRecord(
                payload.priority, payload.weight, payload.port, payload.target.name.decode("ascii")
            )
            for _, payload in records[:MAX_SERVICES]
            if payload.target.name.isascii()
        )
        self._services.put(name, found, _lifetime(records))
        return found


def _checked(name: str) -> str:
    name = name.lower()
    if _NAME.fullmatch(name) is None:
        raise NameNotResolved(f"{name} is not a name in DNS")
    return name


def _started(*lookups: Coroutine[Any, Any, _Records]) -> list[Deferred[_Records]]:
    return [Deferred.fromCoroutine(lookup) for lookup in lookups]


async def _answers(lookup: Any, kind: int, name: str) -> _Records:
    """The (TTL, record) of one kind in an answer; none when the name does not exist."""
    try:
        answers, _, _ = await lookup
    except DNSNameError:
        return []
    except (DomainError, DNSQueryTimeoutError, TimeoutError, ConnectionLost, OSError) as error:
        why = type(error).__name__
        raise NameNotResolved(f"the name servers give no answer about {name}: {why}") from error
    return [(each.ttl, each.payload) for each in answers if each.type == kind]


def _lifetime(records: _Records) -> float:
    if not records:
        return ABSENT_SECONDS
    return min(max(min(ttl for ttl, _ in records), MIN_TTL_SECONDS), MAX_TTL_SECONDS)


def _parsed(addresses: Iterable[str | bytes]) -> tuple[IpAddress, ...]:
    return tuple(ip_address(each) for each in addresses)
