"""What comes of a configuration, for the operator who has just written it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from homeserver.runtime.config.config import Config


def summary_lines(config: Config) -> Iterator[str]:
    """A few lines of what the server will be; secrets are left out."""
    yield "The configuration is right."
    yield f"  server        {config.server.name}, for clients at {config.public_baseurl}"
    for listener in config.server.listeners:
        protocol = "http" if listener.tls_certificate is None else "https"
        yield f"  listener      {protocol} on {listener.bind_address} port {listener.port}"
    yield f"  database      {_without_password(config.database_url)}"
    yield f"  media         {config.media_path}"
    yield f"  signing key   {config.signing_key_path}"
    yield f"  registration  {_registration(config)}"


def _registration(config: Config) -> str:
    if not config.registration_enabled:
        return "closed; `myelin register-user` creates accounts"
    guards = []
    if config.registration.requires_token:
        guards.append("with a registration token")
    listeners = config.server.listeners
    if config.registration.loopback_only or all(listener.is_local for listener in listeners):
        guards.append("from this machine")
    return f"open to whoever comes {' '.join(guards)}" if guards else "open to everyone"


def _without_password(url: str) -> str:
    password = urlsplit(url).password
    return url if not password else url.replace(f":{password}@", ":***@", 1)
