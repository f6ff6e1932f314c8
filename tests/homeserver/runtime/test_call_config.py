"""The configuration of calls: TURN servers, transports of MatrixRTC, delayed events."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeserver.runtime.config import ConfigError, parse_config

HERE = Path("/srv/myelin")
LIVEKIT = '{type = "livekit", livekit_service_url = "https://rtc.example.org"}'


def refusal(document: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(document, HERE, {})
    return str(caught.value).removeprefix("myelin.toml: ")


def test_without_configuration_there_are_no_servers_for_calls_and_events_can_wait() -> None:
    config = parse_config("", HERE, {})
    assert config.voip.turn_uris == ()
    assert config.matrix_rtc.transports == ()
    assert config.delayed_events.enabled


@pytest.mark.parametrize(
    "credentials",
    ['turn_shared_secret = "s"', 'turn_username = "us"\nturn_password = "open"'],
)
def test_turn_servers_come_with_one_kind_of_credentials(credentials: str) -> None:
    uris = '["turn:turn.example.org:3478?transport=udp", "turns:[2001:db8::1]:5349"]'
    config = parse_config(f"[voip]\nturn_uris = {uris}\n{credentials}", HERE, {})
    assert len(config.voip.turn_uris) == 2


def test_the_shared_secret_may_come_from_the_environment() -> None:
    environ = {"MYELIN_VOIP_TURN_SHARED_SECRET": "s"}
    assert parse_config("", HERE, environ).voip.turn_shared_secret == "s"


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ('turn_uris = ["turn:turn.example.org"]', "voip.turn_uris"),
        ('turn_uris = ["turn.example.org"]', "voip.turn_uris[0]"),
        ('turn_uris = ["turn://turn.example.org"]', "voip.turn_uris[0]"),
        ('turn_uris = ["https:turn.example.org"]', "voip.turn_uris[0]"),
        ('turn_username = "us"', "voip.turn_username"),
        ('turn_password = "swordfish"', "voip.turn_username"),
        ('turn_shared_secret = "swordfish"\nturn_username = "us"', "voip.turn_username"),
        ('turn_shared_secret = "x"\nturn_password = "swordfish"', "voip.turn_password"),
        ("turn_ttl_seconds = 0", "voip.turn_ttl_seconds"),
    ],
)
def test_what_does_not_make_usable_turn_servers_is_refused(document: str, key: str) -> None:
    told = refusal(f"[voip]\n{document}")
    assert told.startswith(f"{key} ")
    assert "swordfish" not in told


def test_transports_are_tables_with_a_type() -> None:
    document = f"[matrix_rtc]\ntransports = [{LIVEKIT}]"
    (transport,) = parse_config(document, HERE, {}).matrix_rtc.transports
    assert transport["livekit_service_url"] == "https://rtc.example.org"
    assert refusal('[matrix_rtc]\ntransports = [{url = "x"}]').startswith(
        "matrix_rtc.transports[0] "
    )


def test_transports_are_announced_once() -> None:
    twice = (
        f"[matrix_rtc]\ntransports = [{LIVEKIT}]\n"
        f'[well_known.client_extra]\n"org.matrix.msc4143.rtc_foci" = [{LIVEKIT}]'
    )
    assert refusal(twice).startswith("well_known.client_extra ")
