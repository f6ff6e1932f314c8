"""What types cannot say: grammars, and keys that depend on one another."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

import attrs

from homeserver.domain.identifiers import is_server_name
from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.runtime.config.config import Config
from homeserver.runtime.config.error import ConfigError, show_value
from homeserver.runtime.config.sections import (
    DatabaseSection,
    LimitsSection,
    MediaSection,
    ServerSection,
)


@attrs.frozen
class _Wrong:
    """A key whose value is not allowed; ``shown`` replaces a value that must not be printed."""

    key: str
    value: object
    allowed: str
    shown: str | None = None


def check_config(config: Config, source: str) -> None:
    """Raises ConfigError for the first key that is wrong."""
    for wrong in _findings(config):
        shown = wrong.shown or show_value(wrong.value)
        raise ConfigError(source, wrong.key, shown, f"must be {wrong.allowed}")


def _findings(config: Config) -> Iterator[_Wrong]:
    yield from _server(config.server)
    yield from _database(config.database)
    yield from _registration(config)
    yield from _auth(config)
    yield from _media(config.media)
    yield from _limits(config.limits)
    yield from _metrics(config)
    yield from _rooms(config)
    yield from _well_known(config)


def _server(server: ServerSection) -> Iterator[_Wrong]:
    if not is_server_name(server.name):
        allowed = "a host name or an IP address, with a port or without, such as example.org"
        yield _Wrong("server.name", server.name, allowed)
    yield from _url("server.public_baseurl", server.public_baseurl)
    seen: set[tuple[str, int]] = set()
    for index, listener in enumerate(server.listeners):
        key = f"server.listeners[{index}]"
        try:
            ipaddress.ip_address(listener.bind_address)
        except ValueError:
            allowed = "an IP address, such as 127.0.0.1, ::1 or 0.0.0.0"
            yield _Wrong(f"{key}.bind_address", listener.bind_address, allowed)
        if (listener.bind_address, listener.port) in seen:
            allowed = f"another port: a listener on {listener.bind_address} has it already"
            yield _Wrong(f"{key}.port", listener.port, allowed)
        seen.add((listener.bind_address, listener.port))
        pair = (("tls_certificate", "tls_private_key"), ("tls_private_key", "tls_certificate"))
        for name, other in pair:
            file = getattr(listener, name)
            if file is None:
                continue
            if getattr(listener, other) is None:
                yield _Wrong(f"{key}.{name}", file, f"accompanied by {key}.{other}")
            if not file.is_file():
                yield _Wrong(f"{key}.{name}", file, "a file that exists")


def _database(database: DatabaseSection) -> Iterator[_Wrong]:
    url = database.url or "sqlite:///myelin.db"
    is_sqlite = url.startswith("sqlite:///") and url != "sqlite:///"
    if not is_sqlite and not url.startswith(("postgresql://", "postgres://")):
        # A URL may hold a password.
        scheme = f'"{url.partition(":")[0]}:…"' if ":" in url else "(hidden)"
        allowed = "sqlite:///file or postgresql://user:password@host:port/name"
        yield _Wrong("database.url", url, allowed, shown=scheme)
    if is_sqlite and database.shards not in (None, 1):
        yield _Wrong("database.shards", database.shards, "1 on SQLite")


def _registration(config: Config) -> Iterator[_Wrong]:
    registration = config.registration
    if registration.enabled is not None or config.registration_enabled:
        return
    for name in ("requires_token", "loopback_only"):
        if getattr(registration, name):
            allowed = (
                "accompanied by registration.enabled = true: the server is not for this machine "
                "alone, so registration is closed unless it is opened explicitly"
            )
            yield _Wrong(f"registration.{name}", True, allowed)


def _auth(config: Config) -> Iterator[_Wrong]:
    auth = config.auth
    if auth.argon2_memory_kib < 8 * auth.argon2_parallelism:
        least = 8 * auth.argon2_parallelism
        allowed = f"at least {least}: 8 KiB for each lane of auth.argon2_parallelism"
        yield _Wrong("auth.argon2_memory_kib", auth.argon2_memory_kib, allowed)
    refresh = auth.refresh_token_lifetime_seconds
    if refresh is not None and refresh <= auth.access_token_lifetime_seconds:
        allowed = (
            f"more than auth.access_token_lifetime_seconds ({auth.access_token_lifetime_seconds})"
        )
        yield _Wrong("auth.refresh_token_lifetime_seconds", refresh, allowed)


def _media(media: MediaSection) -> Iterator[_Wrong]:
    for index, size in enumerate(media.thumbnail_sizes):
        if size.width * size.height > media.max_pixels:
            allowed = f"no larger than media.max_pixels ({media.max_pixels})"
            shown = f"{size.width}x{size.height}"
            yield _Wrong(f"media.thumbnail_sizes[{index}]", size, allowed, shown=shown)


def _limits(limits: LimitsSection) -> Iterator[_Wrong]:
    if limits.overload_lag_seconds < limits.shedding_lag_seconds:
        allowed = f"at least limits.shedding_lag_seconds ({limits.shedding_lag_seconds})"
        yield _Wrong("limits.overload_lag_seconds", limits.overload_lag_seconds, allowed)


def _metrics(config: Config) -> Iterator[_Wrong]:
    for index, network in enumerate(config.metrics.allow_from):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            allowed = "an address or a network, such as 10.0.0.0/8"
            yield _Wrong(f"metrics.allow_from[{index}]", network, allowed)


def _rooms(config: Config) -> Iterator[_Wrong]:
    version = config.rooms.default_version
    if version not in ROOM_VERSIONS:
        allowed = "one of " + ", ".join(f'"{known}"' for known in ROOM_VERSIONS)
        yield _Wrong("rooms.default_version", version, allowed)


def _well_known(config: Config) -> Iterator[_Wrong]:
    well_known = config.well_known
    yield from _url("well_known.client_base_url", well_known.client_base_url)
    yield from _url("well_known.support_page", well_known.support_page)
    if "m.homeserver" in well_known.client_extra:
        allowed = "without m.homeserver, which comes from well_known.client_base_url"
        yield _Wrong("well_known.client_extra", well_known.client_extra, allowed)
    if well_known.server is not None and not is_server_name(well_known.server):
        allowed = "a host name or an IP address, with a port or without, such as example.org:443"
        yield _Wrong("well_known.server", well_known.server, allowed)
    for index, contact in enumerate(well_known.support_contacts):
        if contact.matrix_id is None and contact.email_address is None:
            key = f"well_known.support_contacts[{index}]"
            yield _Wrong(key, {"role": contact.role}, "reachable: matrix_id or email_address")


def _url(key: str, url: str | None) -> Iterator[_Wrong]:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        yield _Wrong(key, url, "an http:// or https:// URL without query and fragment")
