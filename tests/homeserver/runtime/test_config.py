"""The configuration: defaults, files, and the one line that a mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeserver.http.routes import RateClass
from homeserver.runtime.config import Config, ConfigError, load_config, parse_config

HERE = Path("/srv/myelin")


def parse(document: str, environ: dict[str, str] | None = None) -> Config:
    return parse_config(document, HERE, environ or {})


def refusal(document: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(document, environ)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix("myelin.toml: ")


def test_without_a_file_the_server_is_on_localhost_with_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(None, {})
    assert config.server.name == "localhost"
    assert config.public_baseurl == "http://localhost:8008"
    assert [(each.bind_address, each.port) for each in config.server.listeners] == [
        ("127.0.0.1", 8008)
    ]
    assert config.database_url == f"sqlite:///{tmp_path}/data/myelin.db"
    assert config.media_path == tmp_path / "data" / "media"
    assert config.signing_key_path == tmp_path / "data" / "signing.key"
    assert config.registration_enabled
    assert config.rooms.default_version == "12"


def test_the_file_in_the_working_directory_is_read_when_no_other_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "myelin.toml").write_text('[server]\nname = "example.org"\n')
    assert load_config(None, {}).server.name == "example.org"


def test_an_empty_file_means_the_defaults() -> None:
    assert parse("").server.data_dir == HERE / "data"
    assert parse("").limits == Config().limits


def test_relative_paths_start_at_the_directory_of_the_file() -> None:
    config = parse(
        '[server]\ndata_dir = "var"\nsigning_key_path = "/etc/keys/signing.key"\n'
        '[media]\npath = "pictures"\n[database]\nurl = "sqlite:///db/a.db"\n'
    )
    assert config.server.data_dir == HERE / "var"
    assert config.signing_key_path == Path("/etc/keys/signing.key")
    assert config.media_path == HERE / "pictures"
    assert config.database_url == f"sqlite:///{HERE}/db/a.db"


def test_an_absolute_sqlite_url_stays_as_it_is() -> None:
    config = parse('[database]\nurl = "sqlite:////var/lib/myelin/a.db"')
    assert config.database_url == "sqlite:////var/lib/myelin/a.db"


def test_shards_default_to_one_on_sqlite_and_eight_on_postgresql() -> None:
    assert parse("").shard_count == 1
    assert parse('[database]\nurl = "postgresql://db/myelin"').shard_count == 8
    assert parse('[database]\nurl = "postgresql://db/myelin"\nshards = 3').shard_count == 3


def test_a_named_server_is_reached_by_https_unless_told_otherwise() -> None:
    assert parse('[server]\nname = "example.org"').public_baseurl == "https://example.org"
    config = parse('[server]\nname = "example.org"\npublic_baseurl = "https://m.example.org/"')
    assert config.public_baseurl == "https://m.example.org"


@pytest.mark.parametrize(
    ("listener", "url"),
    [
        ('bind_address = "0.0.0.0"\nport = 80', "http://localhost:80"),
        ('bind_address = "::1"\nport = 1', "http://localhost:1"),
        ('bind_address = "10.1.2.3"', "http://10.1.2.3:8008"),
        ('bind_address = "fd00::1"', "http://[fd00::1]:8008"),
    ],
)
def test_programs_on_this_machine_use_the_first_listener(listener: str, url: str) -> None:
    assert parse(f"[[server.listeners]]\n{listener}").local_url == url


@pytest.mark.parametrize(
    "document",
    [
        '[server]\nname = "example.org"',
        '[[server.listeners]]\nbind_address = "0.0.0.0"',
        "[[server.listeners]]\nx_forwarded = true",
    ],
    ids=["a real name", "a public address", "behind a proxy"],
)
def test_registration_is_closed_beyond_this_machine_unless_opened_explicitly(
    document: str,
) -> None:
    assert not parse(document).registration_enabled
    assert parse(f"registration.enabled = true\n{document}").registration_enabled


def test_a_guard_of_registration_alone_does_not_open_it() -> None:
    message = refusal('[server]\nname = "example.org"\n[registration]\nrequires_token = true')
    assert message.startswith("registration.requires_token = true: must be accompanied by")
    assert "registration.enabled = true" in message


def test_every_rate_class_has_its_rate() -> None:
    rates = Config().limits.rates
    assert set(type(rates).__struct_fields__) == {
        each.value for each in RateClass if each is not RateClass.NONE
    }


def test_a_rate_is_set_as_an_inline_table() -> None:
    rate = parse("[limits.rates]\nlogin = { per_second = 2, burst = 5 }").limits.rates.login
    assert (rate.per_second, rate.burst) == (2.0, 5)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            "[[server.listeners]]\nport = 70000",
            "server.listeners[0].port = 70000: must be a whole number from 1 to 65,535",
        ),
        (
            '[media]\nmax_upload_bytes = "50M"',
            'media.max_upload_bytes = "50M": must be a whole number from 1 to '
            "1,125,899,906,842,624",
        ),
        (
            "[presence]\nenabled = 1",
            "presence.enabled = 1: must be true or false",
        ),
        (
            '[log]\nformat = "xml"',
            'log.format = "xml": must be one of "console", "json"',
        ),
        (
            "[limits.rates]\nlogin = { per_second = nan, burst = 1 }",
            "limits.rates.login.per_second = NaN: must be a number above 0 to 1,000,000",
        ),
        (
            "[limits.rates]\nlogin = { per_second = 1 }",
            "limits.rates.login.burst: is missing",
        ),
        ("[server]\ndata_dir = 3", "server.data_dir = 3: must be a path"),
        ('[server]\nname = ""', 'server.name = "": must be a string that is not empty'),
        (
            "[server]\nlisteners = []",
            "server.listeners = []: must be a list of one or more values, each a table with the "
            "keys bind_address, port, tls_certificate, tls_private_key, resources, x_forwarded",
        ),
        ("log = 5", "log = 5: must be a table with the keys level, format"),
        (
            "[cache]\nmemory_bytes = 1979-05-27",
            'cache.memory_bytes = "1979-05-27": must be a whole number from 16,777,216 to '
            "4,398,046,511,104",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_what_is_allowed(
    document: str, expected: str
) -> None:
    assert refusal(document) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            "[media]\nmax_upload_byte = 5",
            "media.max_upload_byte = 5: there is no such key; did you mean media.max_upload_bytes?",
        ),
        (
            "[sever]\nname = 'x'",
            "sever: there is no such key; did you mean server?",
        ),
        (
            "[[server.listeners]]\nprot = 1",
            "server.listeners[0].prot = 1: there is no such key; "
            "did you mean server.listeners[0].port?",
        ),
        (
            "[log]\nzzz = true",
            "log.zzz = true: there is no such key; there are level, format",
        ),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(document: str, expected: str) -> None:
    assert refusal(document) == expected


@pytest.mark.parametrize(
    ("document", "start"),
    [
        ('[server]\nname = "not a name"', 'server.name = "not a name": must be a host name'),
        (
            '[server]\npublic_baseurl = "example.org"',
            'server.public_baseurl = "example.org": must be an http:// or https:// URL',
        ),
        (
            '[[server.listeners]]\nbind_address = "localhost"',
            'server.listeners[0].bind_address = "localhost": must be an IP address',
        ),
        (
            "[[server.listeners]]\n[[server.listeners]]",
            "server.listeners[1].port = 8008: must be another port",
        ),
        (
            '[[server.listeners]]\ntls_certificate = "a.pem"',
            'server.listeners[0].tls_certificate = "/srv/myelin/a.pem": must be accompanied by '
            "server.listeners[0].tls_private_key",
        ),
        (
            '[[server.listeners]]\ntls_certificate = "a.pem"\ntls_private_key = "b.pem"',
            'server.listeners[0].tls_certificate = "/srv/myelin/a.pem": must be a file that exists',
        ),
        (
            '[[server.listeners]]\nresources = ["federation"]',
            'server.listeners = [["federation"]]: must be such that one of them serves clients',
        ),
        (
            '[signing]\nold_keys = [{ key_id = "a_1", verify_key = "AAAA", expired_ms = 1 }]',
            'signing.old_keys[0] = "a_1": must be about a key whose ID begins with ed25519:',
        ),
        (
            "[signing]\n"
            'old_keys = [{ key_id = "ed25519:a_1", verify_key = "AAAA", expired_ms = 1 }]',
            'signing.old_keys[0] = "AAAA": must be about a public key',
        ),
        (
            '[federation]\ntrusted_key_servers = [{ server_name = "not a name" }]',
            'federation.trusted_key_servers[0].server_name = "not a name": must be a host name',
        ),
        (
            "[federation]\ntrusted_key_servers = "
            '[{ server_name = "a.example", verify_keys = { "ed25519:a" = "?" } }]',
            'federation.trusted_key_servers[0].verify_keys = "?": must be about a public key',
        ),
        (
            '[database]\nurl = "mysql://user:hunter2@db/myelin"',
            'database.url = "mysql:…": must be sqlite:///file or postgresql://',
        ),
        ("[database]\nshards = 4", "database.shards = 4: must be 1 on SQLite"),
        (
            "[auth]\nargon2_memory_kib = 8\nargon2_parallelism = 2",
            "auth.argon2_memory_kib = 8: must be at least 16",
        ),
        (
            "[auth]\nrefresh_token_lifetime_seconds = 60",
            "auth.refresh_token_lifetime_seconds = 60: must be more than",
        ),
        (
            "[media]\nmax_pixels = 1000",
            "media.thumbnail_sizes[0] = 32x32: must be no larger than media.max_pixels (1000)",
        ),
        (
            "[limits]\noverload_lag_seconds = 0.1",
            "limits.overload_lag_seconds = 0.1: must be at least limits.shedding_lag_seconds (0.5)",
        ),
        (
            '[metrics]\nallow_from = ["10.0.0.0/8", "10.0.0.0/99"]',
            'metrics.allow_from[1] = "10.0.0.0/99": must be an address or a network',
        ),
        (
            '[rooms]\ndefault_version = "99"',
            'rooms.default_version = "99": must be one of "1", "2", "3"',
        ),
        (
            '[well_known]\nserver = "https://example.org"',
            'well_known.server = "https://example.org": must be a host name',
        ),
        (
            '[well_known]\nsupport_contacts = [{ role = "m.role.admin" }]',
            'well_known.support_contacts[0] = {"role": "m.role.admin"}: must be reachable',
        ),
        (
            '[federation]\ndenied_ranges = ["10.0.0.0/8", "intranet"]',
            'federation.denied_ranges[1] = "intranet": must be an address or a network',
        ),
        (
            '[federation]\nallowed_ranges = ["10.0.0.1/8"]',
            'federation.allowed_ranges[0] = "10.0.0.1/8": must be an address or a network',
        ),
        (
            '[federation]\nca_file = "nowhere.pem"',
            'federation.ca_file = "/srv/myelin/nowhere.pem": must be a file that exists',
        ),
        (
            "[federation]\nwell_known_max_seconds = 60",
            "federation.well_known_max_seconds = 60: must be at least",
        ),
    ],
)
def test_values_that_types_cannot_judge_are_checked_as_well(document: str, start: str) -> None:
    assert refusal(document).startswith(start)


def test_the_line_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[log]\nlevel = 3\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert str(caught.value).startswith(f"{path}: log.level = 3: must be one of ")


def test_a_document_that_is_not_toml_is_refused_with_the_place() -> None:
    with pytest.raises(ConfigError, match=r"myelin\.toml: is not valid TOML: .*line 2"):
        parse("[server]\nname example.org\n")


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load_config(tmp_path / "missing.toml", {})


def test_a_secret_can_come_from_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    config = parse_config('[registration]\nshared_secret_file = "secret"', tmp_path, {})
    assert config.registration.shared_secret == "hunter2"


def test_a_database_url_from_a_file_is_checked_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://user:hunter2@db/myelin\n")
    config = parse_config('[database]\nurl_file = "url"', tmp_path, {})
    assert config.database_url == "postgresql://user:hunter2@db/myelin"


def test_a_secret_in_the_environment_wins(tmp_path: Path) -> None:
    environ = {"MYELIN_REGISTRATION_SHARED_SECRET": "from-the-environment"}
    config = parse('[registration]\nshared_secret = "from-the-file"', environ)
    assert config.registration.shared_secret == "from-the-environment"


def test_a_secret_given_twice_is_refused() -> None:
    message = refusal('[registration]\nshared_secret = "a"\nshared_secret_file = "b"')
    assert message.startswith("registration.shared_secret_file")


def test_a_secret_file_that_is_missing_is_named() -> None:
    assert refusal('[registration]\nshared_secret_file = "nowhere"') == (
        'registration.shared_secret_file = "nowhere": must be a readable file: '
        "No such file or directory"
    )


@pytest.mark.parametrize(
    "document",
    [
        "[registration]\nshared_secret = 424242",
        '[database]\nurl = "424242"',
        '[database]\nurl = "mysql://user:424242@db/myelin"',
    ],
)
def test_a_secret_is_never_shown(document: str) -> None:
    assert "424242" not in refusal(document)
