"""The whole configuration, and the values that depend on several of its keys."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from msgspec import Struct, field

from homeserver.runtime.config.sections import (
    AuthSection,
    CacheSection,
    DatabaseSection,
    DelayedEventsSection,
    FederationSection,
    LimitsSection,
    LogSection,
    MatrixRtcSection,
    MediaSection,
    MetricsSection,
    PresenceSection,
    RegistrationSection,
    RoomsSection,
    ServerSection,
    SigningSection,
    VoipSection,
    WellKnownSection,
)


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration. The properties are the values that depend on other keys."""

    server: ServerSection = ServerSection()
    database: DatabaseSection = DatabaseSection()
    registration: RegistrationSection = RegistrationSection()
    auth: AuthSection = AuthSection()
    media: MediaSection = MediaSection()
    limits: LimitsSection = LimitsSection()
    presence: PresenceSection = PresenceSection()
    log: LogSection = LogSection()
    metrics: MetricsSection = MetricsSection()
    rooms: RoomsSection = RoomsSection()
    well_known: WellKnownSection = field(default_factory=WellKnownSection)
    voip: VoipSection = VoipSection()
    matrix_rtc: MatrixRtcSection = MatrixRtcSection()
    delayed_events: DelayedEventsSection = DelayedEventsSection()
    signing: SigningSection = SigningSection()
    federation: FederationSection = FederationSection()
    cache: CacheSection = CacheSection()

    @property
    def public_baseurl(self) -> str:
        """The URL under which clients reach the server, without a slash at the end."""
        server = self.server
        if server.public_baseurl is not None:
            return server.public_baseurl.rstrip("/")
        if server.name == "localhost":
            return self.local_url
        return f"https://{server.name}"

    @property
    def local_url(self) -> str:
        """The URL of the first listener for clients, for programs on this machine."""
        listener = next(each for each in self.server.listeners if "client" in each.resources)
        address = ipaddress.ip_address(listener.bind_address)
        scheme = "http" if listener.tls_certificate is None else "https"
        if address.is_unspecified or listener.bind_address in ("127.0.0.1", "::1"):
            host = "localhost"
        else:
            host = f"[{address}]" if address.version == 6 else str(address)
        return f"{scheme}://{host}:{listener.port}"

    @property
    def database_url(self) -> str:
        """``sqlite:////absolute/file`` or ``postgresql://...``."""
        if self.database.url is not None:
            return self.database.url
        return f"sqlite:///{self.server.data_dir.absolute() / 'myelin.db'}"

    @property
    def shard_count(self) -> int:
        """The number of shards that a new database gets."""
        if self.database.shards is not None:
            return self.database.shards
        return 1 if self.database_url.startswith("sqlite:") else 8

    @property
    def signing_key_path(self) -> Path:
        """The file of the signing keys."""
        return self.server.signing_key_path or self.server.data_dir / "signing.key"

    @property
    def registration_secret_path(self) -> Path:
        """Where the shared secret is kept that no one configured."""
        return self.server.data_dir / "registration.secret"

    @property
    def operator_token_path(self) -> Path:
        """Where the token is kept that `myelin admin` sends."""
        return self.server.data_dir / "operator.token"

    @property
    def media_path(self) -> Path:
        """The directory of the media files."""
        return self.media.path or self.server.data_dir / "media"

    @property
    def registration_enabled(self) -> bool:
        """Whether people may create accounts, said explicitly or not."""
        if self.registration.enabled is not None:
            return self.registration.enabled
        return self.server.name == "localhost" and all(
            listener.is_local for listener in self.server.listeners
        )
