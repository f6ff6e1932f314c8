"""What types cannot say: grammars, and keys that depend on one another."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import attrs

from homeserver.domain.identifiers import is_server_name
from homeserver.domain.room_versions import ROOM_VERSIONS
from homeserver.domain.signing import ALGORITHM, decode_base64
from homeserver.runtime.config.config import Config
from homeserver.runtime.config.error import ConfigError, show_value
from homeserver.runtime.config.sections import (
    DatabaseSection,
    FederationSection,
    LimitsSection,
    MediaSection,
    ServerSection,
    SigningSection,
    VoipSection,
)

_TURN_SCHEMES = ("turn", "turns", "stun", "stuns")
_RTC_FOCI = "org.matrix.msc4143.rtc_foci"
_VERIFY_KEY_BYTES = 32


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
    yield from _signing(config.signing)
    yield from _federation(config.federation)
    yield from _voip(config.voip)
    yield from _matrix_rtc(config)


def _server(server: ServerSection) -> Iterator[_Wrong]:
    if not is_server_name(server.name):
        allowed = "a host name or an IP address, with a port or without, such as example.org"
        yield _Wrong("server.name", server.name, allowed)
    yield from _url("server.public_baseurl", server.public_baseurl)
    if not any("client" in listener.resources for listener in server.listeners):
        resources = [list(listener.resources) for listener in server.listeners]
        yield _Wrong("server.listeners", resources, "such that one of them serves clients")
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
    yield from _networks("metrics.allow_from", config.metrics.allow_from)


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


def _voip(voip: VoipSection) -> Iterator[_Wrong]:
    for index, uri in enumerate(voip.turn_uris):
        scheme, _, rest = uri.partition(":")
        if scheme not in _TURN_SCHEMES or not rest or rest.startswith("/"):
            allowed = "a turn: or turns: URI, such as turn:turn.example.org:3478?transport=udp"
            yield _Wrong(f"voip.turn_uris[{index}]", uri, allowed)
    if voip.turn_shared_secret is not None:
        if voip.turn_username is not None:
            allowed = "left out beside voip.turn_shared_secret"
            yield _Wrong("voip.turn_username", voip.turn_username, allowed)
        if voip.turn_password is not None:
            allowed = "left out beside voip.turn_shared_secret"
            yield _Wrong("voip.turn_password", "", allowed, shown="(hidden)")
    elif (voip.turn_username is None) != (voip.turn_password is None):
        allowed = "accompanied by voip.turn_password"
        yield _Wrong("voip.turn_username", voip.turn_username, allowed)
    elif voip.turn_uris and voip.turn_username is None:
        allowed = "accompanied by voip.turn_shared_secret, or by turn_username and turn_password"
        yield _Wrong("voip.turn_uris", voip.turn_uris, allowed)


def _matrix_rtc(config: Config) -> Iterator[_Wrong]:
    for index, transport in enumerate(config.matrix_rtc.transports):
        if not isinstance(transport.get("type"), str):
            yield _Wrong(f"matrix_rtc.transports[{index}]", transport, "a table with a type")
    if config.matrix_rtc.transports and _RTC_FOCI in config.well_known.client_extra:
        allowed = f"without {_RTC_FOCI}, which comes from matrix_rtc.transports"
        yield _Wrong("well_known.client_extra", config.well_known.client_extra, allowed)


def _signing(signing: SigningSection) -> Iterator[_Wrong]:
    for index, old in enumerate(signing.old_keys):
        yield from _verify_key(f"signing.old_keys[{index}]", old.key_id, old.verify_key)


def _federation(federation: FederationSection) -> Iterator[_Wrong]:
    for name in ("denied_ranges", "allowed_ranges"):
        yield from _networks(f"federation.{name}", getattr(federation, name))
    if federation.ca_file is not None and not federation.ca_file.is_file():
        yield _Wrong("federation.ca_file", federation.ca_file, "a file that exists")
    if federation.well_known_max_seconds < federation.well_known_seconds:
        allowed = f"at least federation.well_known_seconds ({federation.well_known_seconds})"
        yield _Wrong(
            "federation.well_known_max_seconds", federation.well_known_max_seconds, allowed
        )
    for index, notary in enumerate(federation.trusted_key_servers):
        key = f"federation.trusted_key_servers[{index}]"
        if not is_server_name(notary.server_name):
            allowed = "a host name or an IP address, with a port or without, such as example.org"
            yield _Wrong(f"{key}.server_name", notary.server_name, allowed)
        for key_id, verify_key in notary.verify_keys.items():
            yield from _verify_key(f"{key}.verify_keys", key_id, verify_key)


def _verify_key(key: str, key_id: str, verify_key: str) -> Iterator[_Wrong]:
    algorithm, _, version = key_id.partition(":")
    if algorithm != ALGORITHM or not version:
        yield _Wrong(key, key_id, f"about a key whose ID begins with {ALGORITHM}:")
    try:
        is_key = len(decode_base64(verify_key)) == _VERIFY_KEY_BYTES
    except ValueError:
        is_key = False
    if not is_key:
        yield _Wrong(key, verify_key, "about a public key: 32 bytes in unpadded Base64")


def _networks(key: str, networks: Sequence[str]) -> Iterator[_Wrong]:
    for index, network in enumerate(networks):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            allowed = "an address or a network, such as 10.0.0.0/8"
            yield _Wrong(f"{key}[{index}]", network, allowed)


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
