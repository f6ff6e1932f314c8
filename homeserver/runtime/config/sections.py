"""The configuration as typed, frozen values, one class for each section of the TOML file.

The descriptions are the reference: ``myelin init`` writes them into the file as comments, and
docs/configuration.md is made from them. Units are part of a key's name.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from homeserver.domain.address_ranges import DEFAULT_DENIED_RANGES
from homeserver.domain.thumbnail_sizes import DEFAULT_SIZES

Text = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Shards = Annotated[int, Meta(ge=1, le=256)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, Meta(ge=1, le=10 * 365 * 86_400)]
Bytes = Annotated[int, Meta(ge=1, le=2**50)]
Resource = Literal["client", "federation"]


class Listener(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An address and port that clients, or the reverse proxy before them, connect to."""

    bind_address: Annotated[
        Text,
        Meta(description="IP address to listen on; 0.0.0.0 and :: are all addresses of a family."),
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port.")] = 8008
    tls_certificate: Annotated[
        Path | None,
        Meta(description="PEM file with the certificate and its chain; without it, plain HTTP."),
    ] = None
    tls_private_key: Annotated[
        Path | None, Meta(description="PEM file with the certificate's private key.")
    ] = None
    resources: Annotated[
        tuple[Resource, ...],
        Meta(
            min_length=1,
            description="What is served: client (the client-server API), federation (what other "
            "servers ask), or both.",
        ),
    ] = ("client", "federation")
    x_forwarded: Annotated[
        bool,
        Meta(
            description="Take the client's address from X-Forwarded-For. Only behind a reverse "
            "proxy that sets this header itself: otherwise clients can choose their address."
        ),
    ] = False

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine, speaking for themselves, reach the listener."""
        return ipaddress.ip_address(self.bind_address).is_loopback and not self.x_forwarded


class ServerSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who the server is and where it listens."""

    name: Annotated[
        Text,
        Meta(
            description="Server name: what stands after the colon in user IDs. Cannot be changed "
            "once users exist."
        ),
    ] = "localhost"
    public_baseurl: Annotated[
        str | None,
        Meta(
            description="URL under which clients reach the server. Left out: https:// and the "
            "server name, or the first listener when the name is localhost."
        ),
    ] = None
    data_dir: Annotated[
        Path,
        Meta(
            description="Directory of everything that has no path of its own. Relative paths, "
            "here and elsewhere, start at the directory of this file."
        ),
    ] = Path("data")
    signing_key_path: Annotated[
        Path | None,
        Meta(description="File of the signing keys. Left out: signing.key in the data directory."),
    ] = None
    listeners: Annotated[
        tuple[Listener, ...], Meta(min_length=1, description="Where to listen.")
    ] = (Listener(),)


class DatabaseSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where everything is stored."""

    url: Annotated[
        str | None,
        Meta(
            description="sqlite:///file (sqlite:////absolute/file) or "
            "postgresql://user:password@host:port/name. Left out: myelin.db in the data directory."
        ),
    ] = None
    pool_size: Annotated[
        int, Meta(ge=1, le=200, description="Connections for reading; one more writes.")
    ] = 4
    shards: Annotated[
        Shards | None,
        Meta(
            description="Shards of a new database, fixed once it is made. Left out: 1 on SQLite, "
            "8 on PostgreSQL.",
        ),
    ] = None


class RegistrationSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may create an account."""

    enabled: Annotated[
        bool | None,
        Meta(
            description="Whether people may create accounts. Left out: only while the server name "
            "is localhost and every listener is on loopback."
        ),
    ] = None
    requires_token: Annotated[
        bool, Meta(description="Whether creating an account takes a registration token.")
    ] = False
    loopback_only: Annotated[
        bool, Meta(description="Accept registrations from clients on this machine only.")
    ] = False
    shared_secret: Annotated[
        Text | None,
        Meta(
            description="Secret with which `myelin register-user` and other tools create accounts, "
            "open registration or not. Left out: made at the first start and kept in "
            "registration.secret in the data directory."
        ),
    ] = None


class AuthSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Passwords and sessions."""

    argon2_time_cost: Annotated[
        int, Meta(ge=1, le=100, description="Passes of the password hash (argon2id).")
    ] = 2
    argon2_memory_kib: Annotated[
        int, Meta(ge=8, le=4_194_304, description="Memory of one password hash, in KiB.")
    ] = 19_456
    argon2_parallelism: Annotated[
        int, Meta(ge=1, le=64, description="Lanes of the password hash.")
    ] = 1
    password_min_length: Annotated[
        int, Meta(ge=1, le=512, description="Shortest password to accept, in characters.")
    ] = 8
    access_token_lifetime_seconds: Annotated[
        Seconds,
        Meta(
            description="Lifetime of the access tokens of clients that use refresh tokens; those "
            "of other clients last until they log out."
        ),
    ] = 3_600
    refresh_token_lifetime_seconds: Annotated[
        Seconds | None,
        Meta(description="Lifetime of an unused refresh token. Left out: until logging out."),
    ] = None
    login_token_lifetime_seconds: Annotated[
        Seconds, Meta(description="Lifetime of the tokens of m.login.token.")
    ] = 120
    interactive_auth_lifetime_seconds: Annotated[
        Seconds, Meta(description="How long a user-interactive authentication may take.")
    ] = 900


class ThumbnailSize(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A size in which thumbnails are made."""

    width: Annotated[int, Meta(ge=1, le=8192)]
    height: Annotated[int, Meta(ge=1, le=8192)]
    method: Literal["crop", "scale"]


_THUMBNAILS = tuple(
    ThumbnailSize(width=size.width, height=size.height, method=size.method)
    for size in DEFAULT_SIZES
)


class MediaSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pictures, files, voice and video."""

    path: Annotated[
        Path | None,
        Meta(description="Directory of the media files. Left out: media in the data directory."),
    ] = None
    max_upload_bytes: Annotated[Bytes, Meta(description="Largest upload.")] = 52_428_800
    max_pixels: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000_000,
            description="Largest picture, in pixels over all its frames, that is decoded to make "
            "thumbnails.",
        ),
    ] = 33_554_432
    thumbnail_sizes: Annotated[
        tuple[ThumbnailSize, ...],
        Meta(description="Sizes in which thumbnails are made; the next larger one is served."),
    ] = _THUMBNAILS
    pending_uploads_max: Annotated[
        Count, Meta(description="Created and not yet uploaded media that a user may have.")
    ] = 50
    pending_upload_lifetime_seconds: Annotated[
        Seconds, Meta(description="Until when created media must be uploaded.")
    ] = 86_400


class Rate(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A token bucket: so many at once, refilled at so many a second."""

    per_second: Annotated[float, Meta(gt=0, le=1_000_000)]
    burst: Count


class RatesSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often each class of requests may be made: by a user, or by an address when there is no
    user yet."""

    login: Annotated[Rate, Meta(description="Logging in.")] = Rate(per_second=0.5, burst=20)
    registration: Annotated[Rate, Meta(description="Creating accounts.")] = Rate(
        per_second=0.5, burst=20
    )
    message: Annotated[Rate, Meta(description="Sending events.")] = Rate(per_second=10, burst=50)
    join: Annotated[Rate, Meta(description="Joining and knocking.")] = Rate(per_second=1, burst=20)
    invite: Annotated[Rate, Meta(description="Inviting.")] = Rate(per_second=1, burst=50)
    room_creation: Annotated[Rate, Meta(description="Creating and upgrading rooms.")] = Rate(
        per_second=0.5, burst=20
    )
    media: Annotated[Rate, Meta(description="Uploads, downloads and thumbnails.")] = Rate(
        per_second=20, burst=200
    )
    search: Annotated[Rate, Meta(description="Searching messages, people and rooms.")] = Rate(
        per_second=2, burst=20
    )
    sync: Annotated[Rate, Meta(description="Asking for what is new.")] = Rate(
        per_second=20, burst=100
    )
    ephemeral: Annotated[Rate, Meta(description="Receipts, typing and presence.")] = Rate(
        per_second=20, burst=100
    )
    profile: Annotated[Rate, Meta(description="Changing the profile.")] = Rate(
        per_second=1, burst=20
    )
    federation: Annotated[
        Rate,
        Meta(
            description="Requests of another server, or of an address when it is not known which "
            "server asks."
        ),
    ] = Rate(per_second=100, burst=1000)
    general: Annotated[Rate, Meta(description="Everything else.")] = Rate(per_second=50, burst=200)


class LimitsSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the server refuses so that it stays there for everybody."""

    enabled: Annotated[bool, Meta(description="Whether requests are limited in rate.")] = True
    request_body_bytes: Annotated[
        int, Meta(ge=131_072, le=1_073_741_824, description="Largest JSON body of a request.")
    ] = 4_194_304
    json_depth: Annotated[
        int, Meta(ge=16, le=500, description="Deepest nesting of a JSON body.")
    ] = 100
    shedding_lag_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=60,
            description="How far the server may fall behind before it refuses typing "
            "notifications, receipts, presence and searches for a while.",
        ),
    ] = 0.5
    overload_lag_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=60,
            description="How far it may fall behind before it refuses everything but sending and "
            "syncing for a while.",
        ),
    ] = 2.0
    rates: RatesSection = RatesSection()


class PresenceSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is online."""

    enabled: Annotated[bool, Meta(description="Whether people see who is online.")] = True


class LogSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The log, which goes to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level to log.")
    ] = "info"
    format: Annotated[
        Literal["console", "json"],
        Meta(description="Lines for people (console), or one JSON object a line (json)."),
    ] = "console"


class MetricsSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """/metrics, for Prometheus."""

    enabled: Annotated[bool, Meta(description="Whether /metrics is served.")] = True
    allow_from: Annotated[
        tuple[Text, ...], Meta(description="Networks whose addresses may read /metrics.")
    ] = ("127.0.0.0/8", "::1/128")


class RoomsSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New rooms."""

    default_version: Annotated[Text, Meta(description="Room version of new rooms.")] = "12"


class SupportContact(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody to turn to about the server."""

    role: Literal["m.role.admin", "m.role.security", "m.role.moderator", "m.role.dpo"]
    matrix_id: Text | None = None
    email_address: Text | None = None


class WellKnownSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What /.well-known/matrix/ answers."""

    client_base_url: Annotated[
        str | None,
        Meta(
            description="Homeserver that clients of this server name are sent to. Left out: "
            "server.public_baseurl."
        ),
    ] = None
    client_extra: Annotated[
        dict[str, Any],
        Meta(description="More for the clients' document, as their makers tell."),
    ] = field(default_factory=dict)
    server: Annotated[
        Text | None,
        Meta(description="host:port that other servers are sent to. Left out: not answered."),
    ] = None
    support_page: Annotated[
        str | None, Meta(description="URL of a page about getting support.")
    ] = None
    support_contacts: Annotated[
        tuple[SupportContact, ...], Meta(description="People to turn to.")
    ] = ()


class VoipSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TURN servers, which carry calls between two people through firewalls."""

    turn_uris: Annotated[
        tuple[Text, ...],
        Meta(description="URIs of the TURN servers, such as turn:turn.example.org?transport=udp."),
    ] = ()
    turn_shared_secret: Annotated[
        Text | None,
        Meta(
            description="Secret shared with the TURN servers (static-auth-secret of coturn): "
            "everybody gets credentials of their own, for a while."
        ),
    ] = None
    turn_username: Annotated[
        Text | None,
        Meta(description="Name for everybody, where the TURN servers share no secret."),
    ] = None
    turn_password: Annotated[Text | None, Meta(description="Password for everybody.")] = None
    turn_ttl_seconds: Annotated[
        Seconds, Meta(description="How long clients may use credentials.")
    ] = 86_400
    turn_for_guests: Annotated[
        bool, Meta(description="Whether guests get credentials as well.")
    ] = False


class MatrixRtcSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Servers for the media of calls of many people (MatrixRTC)."""

    transports: Annotated[
        tuple[dict[str, Any], ...],
        Meta(
            description="Tables with a type and what belongs to it, best first, such as "
            '{type = "livekit", livekit_service_url = "https://rtc.example.org"}.'
        ),
    ] = ()


class DelayedEventsSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Events that clients schedule to be sent later, such as leaving a call when they are gone."""

    enabled: Annotated[bool, Meta(description="Whether events can be scheduled.")] = True
    max_delay_seconds: Annotated[Seconds, Meta(description="Longest delay.")] = 86_400
    max_scheduled_per_user: Annotated[
        Count, Meta(description="Events that a user may have scheduled at a time.")
    ] = 100


class OldKey(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A signing key that is not used any more."""

    key_id: Text
    verify_key: Text
    expired_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)]


class SigningSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the server signed with before."""

    old_keys: Annotated[
        tuple[OldKey, ...],
        Meta(
            description="Keys that were taken out of the file of signing keys: key_id, such as "
            "ed25519:a_1, verify_key, the public key in unpadded Base64, and expired_ms, when it "
            "was used last, in milliseconds since 1970. They are published, so that what they "
            "signed can still be checked."
        ),
    ] = ()


class TrustedKeyServer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server that is believed about the keys of others."""

    server_name: Text
    verify_keys: dict[str, str] = field(default_factory=dict)


class FederationSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Other servers."""

    enabled: Annotated[bool, Meta(description="Whether anything is exchanged with them.")] = True
    allow_servers: Annotated[
        tuple[Text, ...] | None,
        Meta(
            description="Names of the servers to exchange anything with, * and ? standing for any "
            "text and any character. Left out: all."
        ),
    ] = None
    deny_servers: Annotated[
        tuple[Text, ...], Meta(description="Names of servers to exchange nothing with.")
    ] = ()
    trusted_key_servers: Annotated[
        tuple[TrustedKeyServer, ...],
        Meta(
            description="Servers that are asked for the keys of servers that do not answer, each "
            "with a server_name and, if known, its own verify_keys: public keys in unpadded "
            "Base64 by key ID."
        ),
    ] = ()
    request_body_bytes: Annotated[
        int,
        Meta(ge=131_072, le=1_073_741_824, description="Largest body of another server's request."),
    ] = 10_485_760
    denied_ranges: Annotated[
        tuple[Text, ...],
        Meta(
            description="Addresses and networks that the server never connects to on behalf of "
            "others: to other servers, and for previews and pushes."
        ),
    ] = DEFAULT_DENIED_RANGES
    allowed_ranges: Annotated[
        tuple[Text, ...], Meta(description="Exceptions from denied_ranges.")
    ] = ()
    ca_file: Annotated[
        Path | None,
        Meta(
            description="PEM file with the certificate authorities to believe. Left out: those of "
            "the operating system."
        ),
    ] = None
    verify_tls: Annotated[
        bool,
        Meta(description="Whether certificates must be valid. Anything else is for tests only."),
    ] = True
    timeout_seconds: Annotated[
        Seconds, Meta(description="How long another server may take to answer.")
    ] = 60
    max_response_bytes: Annotated[
        Bytes, Meta(description="Largest answer that is not a file or the state of a room.")
    ] = 52_428_800
    max_join_bytes: Annotated[
        Bytes, Meta(description="Largest state of a room that is taken when a user joins it.")
    ] = 200_000_000
    parallel_requests: Annotated[
        int, Meta(ge=1, le=1_000, description="Requests that one server gets at the same time.")
    ] = 10
    well_known_seconds: Annotated[
        Seconds,
        Meta(description="How long it is remembered who serves a name that does not say how long."),
    ] = 86_400
    well_known_max_seconds: Annotated[
        Seconds, Meta(description="How long that is remembered at most.")
    ] = 172_800
    well_known_error_seconds: Annotated[
        Seconds, Meta(description="How long it is remembered at most that this was not found out.")
    ] = 3_600


class CacheSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is kept in memory."""

    memory_bytes: Annotated[
        int,
        Meta(
            ge=16_777_216,
            le=2**42,
            description="Memory for rooms and other things that are cached.",
        ),
    ] = 268_435_456
